"""The function on each host, as a real process, for tests that all hosts must pass.

The hosts share a database, whose time zone is far from UTC on purpose. Each test uses its own
student, and so finds only its own rows.
"""

import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import pytest
from pg8000.native import Connection

from tests.conftest import apply_schema, open_connection, select, temporary_database
from tests.instance import HOSTS, Instance, running

TIME_ZONE = "Asia/Kolkata"

# For tables of inputs whose outcome does not depend on the host.
on_uvicorn = pytest.mark.parametrize("host", ["uvicorn"], indirect=True, scope="session")

Rows = Callable[[str], list[dict[str, Any]]]


@pytest.fixture(scope="session")
def hosts_database(server_url: str) -> Iterator[str]:
    """The URL of the database that the hosts share."""
    with temporary_database(server_url) as url:
        with closing(open_connection(url)) as connection:
            name = urlsplit(url).path.removeprefix("/")
            connection.run(f"ALTER DATABASE {name} SET timezone = '{TIME_ZONE}'")
        apply_schema(url)
        yield url


@pytest.fixture(scope="session")
def database_connection(hosts_database: str) -> Iterator[Connection]:
    with closing(open_connection(hosts_database)) as connection:
        yield connection


@pytest.fixture
def rows(database_connection: Connection) -> Rows:
    """Return a function that finds a student's rows."""

    def find(student_id: str) -> list[dict[str, Any]]:
        return select(
            database_connection,
            "SELECT * FROM feedback WHERE student_id = :student ORDER BY id",
            student=student_id,
        )

    return find


@pytest.fixture(scope="session", params=HOSTS)
def host(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def instance(
    host: str, hosts_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Instance]:
    """One process for all tests of a host; none of them may cause an internal error."""
    log_file = tmp_path_factory.mktemp("hosts") / f"{host}.log"
    with running(log_file, hosts_database, host, LOG_LEVEL="DEBUG") as function:
        yield function.wait_until_ready()
        assert function.terminate() == 0
        assert [event for event in function.events() if event.get("status") == 500] == []


@pytest.fixture
def student() -> str:
    return str(uuid.uuid4())
