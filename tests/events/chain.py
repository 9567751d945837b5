"""The whole chain of real programs: the function, PostgreSQL, Debezium and Kafka."""

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dev.debezium import CONNECTOR
from dev.kafka import ConnectWorker, DebeziumServer, Kafka, jars
from dev.kafka.prepare import TOPIC, create_role, variables
from dev.postgres import EmbeddedPostgres
from tests.conftest import apply_schema, open_connection, select
from tests.events.topic import Record, read
from tests.instance import FEEDBACK, Answer, Instance, running
from tests.migrate.job import ORIGINAL

DATABASE = "mentor"
TIME_ZONE = "Asia/Kolkata"  # of the sessions; events are in UTC

# Each column in the form that events have.
ROWS = """
SELECT id::text, student_id::text, task_id, message, perceived_difficulty::text,
       difficulty_adjustment, topic_weights::text, sentiment, strategy_snapshot::text,
       to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS created_at,
       traceparent, concern
FROM feedback WHERE student_id = CAST(:student AS uuid) ORDER BY created_at, id
"""
# The original service writes only its own columns.
ORIGINAL_INSERT = """
INSERT INTO feedback (student_id, message, perceived_difficulty, strategy_snapshot)
VALUES (CAST(:student AS uuid), 'too hard', 'hard', '{"difficulty_weight": 0.5}')
"""

Row = dict[str, Any]
Debezium = Callable[[Path, Mapping[str, str]], AbstractContextManager[object]]


@contextmanager
def server(folder: Path, environ: Mapping[str, str]) -> Iterator[None]:
    with DebeziumServer(folder, environ):
        yield


@contextmanager
def connect(folder: Path, environ: Mapping[str, str]) -> Iterator[None]:
    kafka, plugins = environ["KAFKA_BOOTSTRAP_SERVERS"], jars.unpacked(jars.PLUGIN)
    with ConnectWorker(folder, kafka, environ, plugins) as worker:
        worker.create_connector(CONNECTOR)
        yield


@dataclass(frozen=True)
class Chain:
    """The running chain. Each test uses its own students, and finds their records."""

    database: str
    kafka: Kafka
    function: Instance
    before: Row  # a row of the original service, older than Debezium's slot

    def post(self, student: str, message: str, **headers: str) -> Answer:
        answer = self.function.post(
            {**FEEDBACK, "student_id": student, "message": message}, headers
        )
        assert answer.status == 200, answer
        return answer

    def run(self, sql: str, **parameters: object) -> None:
        with closing(open_connection(self.database)) as connection:
            connection.run(sql, **parameters)

    def rows(self, student: str) -> list[Row]:
        return rows(self.database, student)

    def records(self, student: str, count: int) -> list[Record]:
        """Wait for this number of records of the student, and return them."""

        def of_student(records: list[Record]) -> list[Record]:
            return [record for record in records if record.student == student]

        found = read(self.kafka.bootstrap, TOPIC, lambda records: len(of_student(records)) >= count)
        return of_student(found)

    def records_to_the_end(self, student: str) -> list[Record]:
        """Return all records of the student, including unexpected ones.

        One more feedback, whose record is the last one, shows that no record is on its way. That
        record is left out.
        """
        last = str(uuid.uuid4())
        self.post(student, last)

        def is_last(record: Record) -> bool:
            return record.student == student and record.row().get("message") == last

        found = read(self.kafka.bootstrap, TOPIC, lambda records: any(map(is_last, records)))
        return [record for record in found if record.student == student and not is_last(record)]


@contextmanager
def running_chain(folder: Path, kafka: Kafka, debezium: Debezium) -> Iterator[Chain]:
    """Start the chain on a database of the original service."""
    with EmbeddedPostgres.temporary() as postgres:
        url = postgres.create_database(DATABASE)
        before = _upgrade_from_the_original(url)
        create_role(postgres)
        with (
            running(folder / "function.log", url) as function,
            debezium(folder, variables(postgres, DATABASE, kafka)),
        ):
            yield Chain(url, kafka, function.wait_until_ready(), before)


def _upgrade_from_the_original(url: str) -> Row:
    student = str(uuid.uuid4())
    with closing(open_connection(url)) as connection:
        connection.run(f"ALTER DATABASE {DATABASE} SET timezone = '{TIME_ZONE}'")
        connection.run(ORIGINAL)
        connection.run(ORIGINAL_INSERT, student=student)
    apply_schema(url)
    (row,) = rows(url, student)
    return row


def rows(url: str, student: str) -> list[Row]:
    """Return the student's rows in order of time."""
    with closing(open_connection(url)) as connection:
        return select(connection, ROWS, student=student)


def assert_event_of(record: Record, row: Row) -> None:
    """Check the record against the row and the contract, without additional headers or fields."""
    assert record.key == row["student_id"].encode()
    assert sorted(record.headers) == [
        ("ce_id", row["id"].encode()),
        ("ce_source", b"/mathtrail/mentor"),
        ("ce_specversion", b"1.0"),
        ("ce_time", row["created_at"].encode()),
        ("ce_traceparent", row["traceparent"].encode()),
        ("ce_type", b"mentor.strategy.updated"),
        ("content-type", b"application/json"),
    ]
    assert record.row() == row
