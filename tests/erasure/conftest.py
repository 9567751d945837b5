"""Roles with the rights of one group each."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.erasure.job import execute
from tests.migrate.job import address


@contextmanager
def member(server_url: str, database: str, group: str) -> Iterator[str]:
    name, password = f"test_{secrets.token_hex(4)}", secrets.token_hex(8)
    execute(server_url, f"CREATE ROLE {name} LOGIN PASSWORD '{password}' IN ROLE {group}")
    yield address(database, login=f"{name}:{password}")
    execute(server_url, f"DROP ROLE {name}")


@pytest.fixture
def eraser(server_url: str, feedback_database: str) -> Iterator[str]:
    """The database's URL for a role in mentor_eraser."""
    with member(server_url, feedback_database, "mentor_eraser") as url:
        yield url


@pytest.fixture
def writer(server_url: str, feedback_database: str) -> Iterator[str]:
    """The database's URL for a role in mentor_writer, like the function's."""
    with member(server_url, feedback_database, "mentor_writer") as url:
        yield url
