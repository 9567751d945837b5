"""A database with the views, and rows of known times."""

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from importlib.util import find_spec
from uuid import UUID

import pytest

from dev import demo
from function.store.driver import Connection
from insights import database
from tests.conftest import open_connection, temporary_database

# Only the environment of `make test-insights` has the libraries of the reports.
collect_ignore_glob = [] if find_spec("matplotlib") else ["test_*.py"]

INSERT = """
INSERT INTO feedback (id, student_id, task_id, message, perceived_difficulty, topic_weights,
                      sentiment, strategy_snapshot, concern, created_at)
SELECT :id, :student, :task, 'words', CAST(:difficulty AS difficulty_level),
       (SELECT jsonb_object_agg(topic, 1) FROM unnest(CAST(:topics AS text[])) AS topic),
       :sentiment, CAST(:snapshot AS jsonb), :concern, CAST(:at AS timestamptz)
"""
ANALYZED = '{"feedback_based": true, "model": "model-1"}'
FALLBACK = '{"feedback_based": false}'


class Rows:
    """Inserts feedback into a database that has the views."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._count = 0

    def add(
        self,
        at: datetime | str,
        *,
        difficulty: str = "hard",
        student: int = 1,
        task: str | None = "task",
        topics: tuple[str, ...] = ("fractions",),
        sentiment: str = "frustrated",
        concern: str = "none",
        analyzed: bool = True,
    ) -> UUID:
        """Insert a row; return its id."""
        self._count += 1
        row_id = UUID(int=self._count)
        self.connection.run(
            INSERT,
            id=row_id,
            student=UUID(int=student),
            task=task,
            difficulty=difficulty,
            topics=list(topics),
            sentiment=sentiment,
            snapshot=ANALYZED if analyzed else FALLBACK,
            concern=concern,
            at=at,
        )
        return row_id


@pytest.fixture
def rows(feedback_database: str) -> Iterator[Rows]:
    """Days, weeks and months are those of Berlin."""
    with closing(open_connection(feedback_database)) as connection:
        database.apply(connection, "Europe/Berlin")
        yield Rows(connection)


@pytest.fixture(scope="session")
def year(server_url: str, migrated_template: str) -> Iterator[str]:
    """The URL of a database that has the made-up school year and the views."""
    with temporary_database(server_url, f"TEMPLATE {migrated_template}") as url:
        with closing(open_connection(url)) as connection:
            demo.insert(connection)
            database.apply(connection, demo.TIME_ZONE)
        yield url
