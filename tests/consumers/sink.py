"""The example of deploy/debezium/sink, which writes into a table of another database."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from dev.kafka import ConnectWorker, jars
from dev.ports import HOST
from dev.sink import CONNECTOR, ERRORS, NAME
from tests.conftest import open_connection, select
from tests.events.chain import ROWS, Row
from tests.events.stack import Stack
from tests.events.topic import Record, read_to_the_end

DATABASE = "elsewhere"
# Each column in the form that it has in the event.
FORM = ROWS.partition("FROM feedback")[0]


@dataclass(frozen=True)
class Sink:
    """The running sink."""

    worker: ConnectWorker
    stack: Stack

    def copies(self, where: str = "true") -> list[Row]:
        """Return the rows of its table."""
        return self._copies(f"{FORM} FROM mentor_feedback WHERE {where} ORDER BY id")

    def originals(self) -> list[Row]:
        """Return the rows of the function's table."""
        return self._rows("mentor", f"{FORM} FROM feedback ORDER BY id")

    def errors(self) -> list[Record]:
        """Return the records of its error topic."""
        return read_to_the_end(self.stack.kafka.bootstrap, ERRORS)

    def ids(self) -> set[str]:
        """Return the ids of the rows of its table."""
        return {row["id"] for row in self._copies("SELECT id::text FROM mentor_feedback")}

    def states(self) -> list[str]:
        return self.worker.states(NAME)

    def disturb(self) -> None:
        """Kill it, and start it again."""
        self.worker.kill()
        self.worker.start()

    def _copies(self, sql: str) -> list[Row]:
        """Return no rows before the first one, because the sink creates the table with it."""
        exists = "SELECT to_regclass('mentor_feedback') IS NOT NULL AS found"
        if not self._rows(DATABASE, exists)[0]["found"]:
            return []
        return self._rows(DATABASE, sql)

    def _rows(self, database: str, sql: str) -> list[Row]:
        with closing(open_connection(self.stack.postgres.url(database))) as connection:
            return select(connection, sql)


@contextmanager
def running_sink(folder: Path, stack: Stack) -> Iterator[Sink]:
    stack.postgres.create_database(DATABASE)
    environ = {
        "SINK_URL": f"jdbc:postgresql://{HOST}:{stack.postgres.port}/{DATABASE}",
        "SINK_USER": "postgres",
        "SINK_PASSWORD": "not asked for",
        "KAFKA_REPLICATION_FACTOR": "1",
    }
    plugins = jars.unpacked(jars.SINK, group="consumers")
    with ConnectWorker(folder, stack.kafka.bootstrap, environ, plugins) as worker:
        worker.create_connector(CONNECTOR)
        yield Sink(worker, stack)
