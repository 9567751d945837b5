"""A PostgreSQL with TLS and passwords that has the schema, and the roles of a deployment."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from pg8000.native import Connection

from tests.conftest import open_connection
from tests.debian.pgbouncer import Program, programs
from tests.debian.server import DebianPostgres, running_server
from tests.migrate.job import migrate

WRITER, WRITERS_PASSWORD = "mentor", "the writer's"


@pytest.fixture(scope="session")
def debian() -> Iterator[DebianPostgres]:
    with running_server() as server:
        assert migrate(server.url()).code == 0
        with closing(open_connection(server.url())) as connection:
            secret = WRITERS_PASSWORD.replace("'", "''")
            connection.run(f"CREATE ROLE {WRITER} LOGIN PASSWORD '{secret}' IN ROLE mentor_writer")
        yield server


@pytest.fixture
def superuser(debian: DebianPostgres) -> Iterator[Connection]:
    with closing(open_connection(debian.url())) as connection:
        yield connection


@pytest.fixture(scope="session")
def pgbouncers() -> Iterator[dict[str, Program]]:
    with programs() as found:
        yield found
