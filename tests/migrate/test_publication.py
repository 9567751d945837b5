"""The job repairs the publication, and says which events are missing then."""

import re
import secrets
from collections.abc import Iterator

import pytest

from tests.migrate.job import COPY, ORIGINAL_INSERT, ROOT, migrate, run

FILTERED = """
ALTER PUBLICATION mentor_feedback SET TABLE feedback WHERE (student_id IS NULL)
"""


def test_a_publication_of_more_than_inserts_is_narrowed(database: str) -> None:
    run(database, "CREATE PUBLICATION mentor_feedback")
    assert migrate(database).code == 0
    published = "SELECT pubinsert, pubupdate, pubdelete, pubtruncate FROM pg_publication"
    assert run(database, published) == [[True, False, False, False]]
    tables = run(database, "SELECT schemaname, tablename FROM pg_publication_tables")
    assert tables == [["public", "feedback"]]


@pytest.fixture
def slot(database: str) -> Iterator[str]:
    """A slot on a database that has the schema. A slot of the deployed name is the cluster's."""
    assert migrate(database).code == 0
    name = f"mentor_events_{secrets.token_hex(4)}"
    create_slot(database, name)
    yield name
    run(
        database,
        f"SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
        f" WHERE slot_name = '{name}'",
    )


def create_slot(database: str, name: str) -> None:
    run(database, f"SELECT pg_create_logical_replication_slot('{name}', 'pgoutput')")


@pytest.mark.parametrize(
    "damage",
    [
        "DROP PUBLICATION mentor_feedback",
        "ALTER PUBLICATION mentor_feedback DROP TABLE feedback",
        "ALTER PUBLICATION mentor_feedback SET (publish = 'update')",
        COPY,
        FILTERED,
        "ALTER PUBLICATION mentor_feedback SET TABLE feedback (id, student_id)",
    ],
)
def test_a_damaged_publication_is_repaired_and_the_missing_events_are_told(
    database: str, slot: str, damage: str
) -> None:
    run(database, damage)
    run(database, ORIGINAL_INSERT)
    done = migrate(database)
    assert done.code == 0, done.output
    assert f"the slot {slot}" in done.left_undone[0]
    assert published(database)
    assert migrate(database).was_up_to_date
    run(database, statement(done.values("left undone", "hint")[0]))
    assert run(database, f"SELECT FROM pg_replication_slots WHERE slot_name = '{slot}'") == []


def test_without_a_slot_no_event_is_missing(database: str) -> None:
    assert migrate(database).left_undone == []
    run(database, "DROP PUBLICATION mentor_feedback")
    assert migrate(database).left_undone == []


def test_the_slot_of_another_database_is_not_named(
    server_url: str, database: str, slot: str
) -> None:
    other = f"mentor_events_{secrets.token_hex(4)}"
    create_slot(server_url, other)
    run(database, "DROP PUBLICATION mentor_feedback")
    done = migrate(database)
    run(server_url, f"SELECT pg_drop_replication_slot('{other}')")
    assert len(done.left_undone) == 1
    assert other not in done.output


def test_the_statement_is_that_of_the_guide(database: str, slot: str) -> None:
    guide = (ROOT / "docs/events.md").read_text(encoding="utf-8")
    [wanted] = re.findall(r"```sql\n(SELECT pg_drop_replication_slot.*?);\n```", guide, re.DOTALL)
    run(database, "DROP PUBLICATION mentor_feedback")
    hint = migrate(database).values("left undone", "hint")[0]
    assert statement(hint).replace(slot, "mentor_feedback") == " ".join(wanted.split())


def statement(hint: str) -> str:
    return "SELECT" + hint.partition("SELECT")[2]


def published(database: str) -> bool:
    """Whether all of the table's columns and rows, and nothing but inserts, are published."""
    tables = run(
        database,
        "SELECT rowfilter, cardinality(attnames) FROM pg_publication_tables"
        " JOIN pg_publication USING (pubname)"
        " WHERE pubname = 'mentor_feedback' AND tablename = 'feedback'"
        " AND pubinsert AND NOT pubupdate",
    )
    return bool(tables == [[None, 11]])
