"""What tests run against.

PostgreSQL is embedded, or the server that DATABASE_URL names. The programs of other virtual
environments are set up if the selected tests need them.
"""

import os
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import hypothesis
import pytest
from pg8000.native import Connection

from dev.postgres import EmbeddedPostgres
from function.migrate import migrate
from function.settings import load
from function.store.connection import connect
from tests.instance import ROOT

# The folders whose tests run programs of .venv-func or .venv-events.
ENVIRONMENTS = {
    "func": {"clients", "debian", "deploy", "events", "hosts", "llm", "security"},
    "events": {"consumers", "events", "flink", "observe"},
}


def pytest_collection_finish(session: pytest.Session) -> None:
    """Set up what the selected tests need, before any of them has a time limit."""
    if session.config.option.collectonly:
        return
    folders = {item.path.relative_to(ROOT / "tests").parts[0] for item in session.items}
    for name, users in ENVIRONMENTS.items():
        if folders & users:
            make = ["make", "--silent", f"environment-{name}"]
            subprocess.run(make, cwd=ROOT, check=True)


# The same examples in each run, and no time limit that a busy machine exceeds.
hypothesis.settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("repeatable")


def open_connection(url: str) -> Connection:
    """Connect as a test that looks at what the function does; not under the function's name."""
    settings = load({"DATABASE_URL": url, "PGAPPNAME": "test"}).postgres
    return connect(settings, statement_timeout=30)


def select(connection: Connection, sql: str, **parameters: object) -> list[dict[str, Any]]:
    """The rows of a query, each with the names of its columns."""
    found = connection.run(sql, **parameters) or []
    names = [column["name"] for column in connection.columns or []]
    return [dict(zip(names, row, strict=True)) for row in found]


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """A superuser's URL of the maintenance database."""
    if url := os.environ.get("DATABASE_URL"):
        yield urlunsplit(urlsplit(url)._replace(path="/postgres"))
    else:
        with EmbeddedPostgres.temporary() as server:
            yield server.url()


@pytest.fixture
def database(server_url: str) -> Iterator[str]:
    """The URL of an empty database of this test's own."""
    with temporary_database(server_url) as url:
        yield url


@pytest.fixture(scope="session")
def migrated_template(server_url: str) -> Iterator[str]:
    """The name of a database that has the schema, to copy from."""
    with temporary_database(server_url) as url:
        apply_schema(url)
        yield urlsplit(url).path.removeprefix("/")


@pytest.fixture
def feedback_database(server_url: str, migrated_template: str) -> Iterator[str]:
    """The URL of a database of this test's own that has the schema, and no rows."""
    with temporary_database(server_url, f"TEMPLATE {migrated_template}") as url:
        yield url


@pytest.fixture(scope="session")
def cluster() -> Iterator[Path]:
    """A data folder of PostgreSQL to copy, since initdb takes seconds on a busy machine."""
    with EmbeddedPostgres.temporary() as server:
        server.stop()
        yield server.data


@pytest.fixture
def own_postgres(cluster: Path) -> Iterator[EmbeddedPostgres]:
    """A server of this test's own, to restart, freeze or kill; its database has the schema."""
    with EmbeddedPostgres.temporary(cluster) as server:
        apply_schema(server.url())
        yield server


def apply_schema(url: str) -> None:
    migrate(load({"DATABASE_URL": url}))


@contextmanager
def temporary_database(server_url: str, options: str = "") -> Iterator[str]:
    """The URL of a new, empty database, which is dropped at the end of the block."""
    name = f"test_{uuid.uuid4().hex}"
    with closing(open_connection(server_url)) as connection:
        connection.run(f"CREATE DATABASE {name} {options}")
        try:
            yield urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
        finally:
            connection.run(f"DROP DATABASE {name} WITH (FORCE)")
