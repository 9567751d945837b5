"""Rows that flow through the chain into windows, and what the windows must be."""

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from confluent_kafka import Producer

from dev.flink import JobManager, TaskManager
from dev.kafka.prepare import TOPIC
from function.store.driver import Connection
from tests.events.topic import Headers
from tests.insights.conftest import Rows

WINDOWS, ALERTS = "mentor.insights.difficulty", "mentor.insights.alerts"
LIMIT = 240.0  # seconds, on a busy machine
STUDENTS = 50  # so many that each partition has some
NAMES = [
    "fractions",
    'a "quoted" topic',
    "it's",
    "\\",
    "",
    "ünïcode 😀",
    "😀" * 300,
    "x" * 300 + "y",
]
TASKS = [None, "task-123", *NAMES]

COLUMNS = "kind, name, answers, easy, ok, hard, CAST(hard AS double precision) / answers"
# The tumbling windows are the view's hours.
HOURS = f"SELECT 60, hour, {COLUMNS} FROM insights.hours(:since, now() + interval '1 day')"
SLIDING = f"""
SELECT 10, start, {COLUMNS} FROM (
    SELECT start, kind, name, count(*) AS answers,
           count(*) FILTER (WHERE difficulty = 'easy') AS easy,
           count(*) FILTER (WHERE difficulty = 'ok') AS ok,
           count(*) FILTER (WHERE difficulty = 'hard') AS hard
    FROM insights.answer
    CROSS JOIN date_bin('10 minutes', created_at, '2000-01-01Z') AS latest
    CROSS JOIN generate_series(latest - interval '50 minutes', latest, '10 minutes') AS start
    WHERE created_at >= :since GROUP BY start, kind, name) AS sliding
"""
TABLE = "SELECT * FROM insights_stream.difficulty"
FOUND = f"{TABLE} WHERE window_start < now() + interval '1 day'"

Windows = list[tuple[Any, ...]]


@contextmanager
def started(manager: JobManager, tasks: TaskManager) -> Iterator[None]:
    """Start both at once, and stop both."""
    try:
        manager.launch()
        tasks.launch()
        manager.wait_until_ready()
        tasks.wait_until_ready()
        yield
    finally:
        tasks.stop()
        manager.stop()


@dataclass
class Flow:
    """The running chain, a connection to its PostgreSQL, and Flink's variables."""

    folder: Path
    connection: Connection
    bootstrap: str
    environ: Mapping[str, str]
    rows: Rows = field(init=False)
    chance: random.Random = field(default_factory=lambda: random.Random(7))  # noqa: S311 - rows

    def __post_init__(self) -> None:
        self.rows = Rows(self.connection)
        self.since = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(
            days=7
        )

    def job(self, script: str, since: datetime | None = None) -> JobManager:
        """A JobManager for this script, whose windows begin at a time, or before all that count."""
        since = since or self.since - timedelta(days=30)
        environ = {**self.environ, "INSIGHTS_SINCE": f"{since:%Y-%m-%d %H:%M:%S}"}
        folder = self.folder / f"{script}-since-{since:%Y-%m-%d}"
        return JobManager(folder, ["feedback.sql", f"{script}.sql"], environ)

    def answer(self, count: int, days: float = 6) -> None:
        """Insert rows of the last days, of all students and with all names."""
        for number in range(count):
            at = datetime.now(UTC) - timedelta(days=days * self.chance.random())
            self.rows.add(
                at,
                difficulty=self.chance.choice(["easy", "ok", "hard"]),
                student=1 + number % STUDENTS,
                task=self.chance.choice(TASKS),
                topics=tuple(self.chance.sample(NAMES, self.chance.randrange(3))),
            )

    def expected(self) -> Windows:
        """What the views say."""
        return self._windows(HOURS) + self._windows(SLIDING)

    def found(self) -> Windows:
        """What the table has, up to tomorrow."""
        return self._windows(FOUND)

    def table(self) -> Windows:
        """All that the table has."""
        return self._windows(TABLE)

    def wait_until_equal(self) -> None:
        """Fail if the table is not what the views say in time."""
        deadline = time.monotonic() + LIMIT
        while (found := set(self.found())) != (expected := set(self.expected())):
            if time.monotonic() > deadline:
                missing, odd = sorted(expected - found)[:9], sorted(found - expected)[:9]
                raise AssertionError(f"missing {missing}, but there are {odd}")
            time.sleep(0.5)

    def produce(self, contents: Sequence[tuple[bytes | None, Headers, bytes | None]]) -> None:
        """Write records with a key, headers and a value to the topic of the events."""
        settings = {"bootstrap.servers": self.bootstrap, "partitioner": "murmur2_random"}  # Java's
        producer = Producer(settings)
        for key, headers, value in contents:
            producer.produce(TOPIC, value, key, headers=list(headers))
        assert producer.flush(30) == 0

    def _windows(self, sql: str) -> Windows:
        values = {"since": self.since} if ":since" in sql else {}
        return [tuple(row) for row in self.connection.run(sql, **values) or []]
