"""The PostgreSQL that all contenders insert into.

It is durable, has the function's schema, and asks for a password (SCRAM).
"""

import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from pg8000.native import Connection, literal

from bench.output import BenchFailure
from bench.payload import ROW
from bench.server import production_environ
from dev.paths import CLONE
from dev.postgres import EmbeddedPostgres

NAME = "mentor"
ROLE = "mentor_bench"
CONNECT_LIMIT = 30.0  # seconds
SETTLE = 0.2  # seconds without a new row


class Database:
    """The table `feedback`, and the server around it."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self.server = server
        _migrate(server.create_database(NAME))
        password = secrets.token_hex()
        self._make_role(password)
        self.url = f"postgresql://{ROLE}:{password}@127.0.0.1:{server.port}/{NAME}"
        self.pid = server.processes()[0].pid
        self._connection = self.connect()

    @property
    def version(self) -> str:
        """PostgreSQL's, like 18.4."""
        [[version]] = self._connection.run("SHOW server_version")
        return str(version)

    def connect(self) -> Connection:
        """Open a connection of the superuser, for the caller to close."""
        return Connection("postgres", host="127.0.0.1", port=self.server.port, database=NAME)

    def ids(self) -> set[str]:
        """The ids of all rows."""
        return {row for (row,) in self._connection.run("SELECT id::text FROM feedback")}

    def empty(self) -> None:
        """Remove all rows, and write to disk what earlier ones left to write."""
        self._connection.run("TRUNCATE feedback")
        self._connection.run("CHECKPOINT")

    def count(self) -> int:
        """Count the rows when no more arrive.

        Raises BenchFailure unless all of them have the values of payload.ROW.
        """
        rows = self._count()
        while True:
            time.sleep(SETTLE)
            earlier, rows = rows, self._count()
            if rows == earlier:
                break
        self._check()
        return rows

    def log_position(self) -> int:
        """The number of bytes that the log has had since the server was made."""
        [[position]] = self._connection.run("SELECT pg_current_wal_lsn() - '0/0'")
        return int(position)

    def sizes(self) -> tuple[int, int]:
        """Bytes of the rows, and of the indexes."""
        [[rows, indexes]] = self._connection.run(
            "SELECT pg_table_size('feedback'), pg_indexes_size('feedback')"
        )
        return int(rows), int(indexes)

    def wait_for_clients(self, number: int, name: str) -> None:
        """Wait until this number of clients with that application_name is connected."""
        deadline = time.monotonic() + CONNECT_LIMIT
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = :name"
        while self._connection.run(query, name=name) != [[number]]:
            if time.monotonic() > deadline:
                raise BenchFailure(f"{name} did not open {number} connections")
            time.sleep(0.01)

    def close(self) -> None:
        """Disconnect."""
        self._connection.close()

    def _make_role(self, password: str) -> None:
        """Make the contenders' role, and restart: PostgreSQL may apply a reload later."""
        with closing(self.connect()) as connection:
            connection.run("SET password_encryption = 'scram-sha-256'")
            connection.run(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{password}' IN ROLE mentor_writer")
        self.server.require_password(ROLE)
        self.server.restart()

    def _count(self) -> int:
        [[rows]] = self._connection.run("SELECT count(*) FROM feedback")
        return int(rows)

    def _check(self) -> None:
        # By PostgreSQL's equality: in JSON, Go writes 1 for 1.0.
        right = " AND ".join(f"{name} = {literal(value)}" for name, value in ROW.items())
        query = f"SELECT {', '.join(ROW)} FROM feedback WHERE ({right}) IS NOT TRUE LIMIT 3"
        if wrong := self._connection.run(query):
            raise BenchFailure(f"unexpected rows: {wrong}")


@contextmanager
def started() -> Iterator[Database]:
    """Start a server for the bench; nothing is left of it afterwards.

    It is in /var/tmp, because /tmp may be in memory, where a commit costs nothing.
    """
    with tempfile.TemporaryDirectory(prefix="mentor-bench-", dir="/var/tmp") as folder:
        server = EmbeddedPostgres(Path(folder), max_connections="300")
        try:
            server.start()
            with closing(Database(server)) as database:
                yield database
        finally:
            server.stop("immediate")


def _migrate(url: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "function.migrate"],
        cwd=CLONE,
        env={**production_environ(), "DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise BenchFailure(f"schema.sql was not applied:\n{done.stdout}{done.stderr}")
