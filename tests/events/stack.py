"""A chain for one test, whose parts it can kill: PostgreSQL, Debezium and Kafka."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dev.kafka import DebeziumServer, Kafka
from dev.kafka.prepare import create_role, create_topics, variables
from dev.postgres import EmbeddedPostgres
from tests.conftest import apply_schema, open_connection
from tests.instance import Instance, running

DATABASE = "mentor"
SLOT = """
SELECT wal_status, active, confirmed_flush_lsn >= CAST(:lsn AS pg_lsn)
FROM pg_replication_slots WHERE slot_name = 'mentor_feedback'
"""


@dataclass(frozen=True)
class Slot:
    """The state of Debezium's slot."""

    wal_status: str
    is_active: bool
    has_passed: bool  # the position in the log that was asked for


@dataclass(frozen=True)
class Stack:
    """The running parts."""

    postgres: EmbeddedPostgres
    kafka: Kafka
    debezium: DebeziumServer
    function: Instance

    def run(self, sql: str, database: str = DATABASE, **parameters: object) -> list[list[Any]]:
        """Run a statement as a superuser, on a new connection."""
        with closing(open_connection(self.postgres.url(database))) as connection:
            return connection.run(sql, **parameters) or []

    def slot(self, passed: str = "0/0") -> Slot | None:
        """Return the slot, if it exists."""
        found = self.run(SLOT, lsn=passed)
        return Slot(*found[0]) if found else None


@contextmanager
def running_stack(
    folder: Path,
    overrides: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Iterator[Stack]:
    """Start the parts; `overrides` and `environ` are Debezium's properties and variables."""
    with (
        EmbeddedPostgres.temporary() as postgres,
        Kafka(folder / "kafka") as kafka,
    ):
        url = postgres.create_database(DATABASE)
        apply_schema(url)
        create_role(postgres)
        create_topics(kafka)
        environ = {**variables(postgres, DATABASE, kafka), **(environ or {})}
        with (
            DebeziumServer(folder / "debezium", environ, overrides) as debezium,
            running(folder / "function.log", url) as function,
        ):
            yield Stack(postgres, kafka, debezium, function.wait_until_ready())
