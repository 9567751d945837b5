"""Roles and slots as the job may find them."""

import secrets
from collections.abc import Iterator

import pytest

from tests.migrate.job import migrate, run
from tests.migrate.slots import create_slot


@pytest.fixture
def group_roles_missing(server_url: str) -> Iterator[None]:
    """Roles are the cluster's, and other databases may need them: they get out of the way."""
    names = ("mentor_writer", "mentor_cdc", "mentor_eraser")
    known = [row[0] for row in run(server_url, "SELECT rolname FROM pg_roles")]
    moved = [name for name in names if name in known]
    for name in moved:
        run(server_url, f"ALTER ROLE {name} RENAME TO {name}_aside")
    yield
    for name in names:
        run(server_url, f"DROP ROLE IF EXISTS {name}")
    for name in moved:
        run(server_url, f"ALTER ROLE {name}_aside RENAME TO {name}")


@pytest.fixture
def plain_role(server_url: str) -> Iterator[tuple[str, str]]:
    """A role that may log in and nothing else: its name, and its login for a URL."""
    name, password = f"plain_{secrets.token_hex(4)}", secrets.token_hex(8)
    run(server_url, f"CREATE ROLE {name} LOGIN PASSWORD '{password}'")
    yield name, f"{name}:{password}"
    run(server_url, f"DROP ROLE {name}")


@pytest.fixture
def slot(database: str) -> Iterator[str]:
    """A slot of any name on a database that has the schema."""
    assert migrate(database).code == 0
    name = f"analytics_{secrets.token_hex(4)}"
    create_slot(database, name)
    yield name
    run(
        database,
        f"SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
        f" WHERE slot_name = '{name}'",
    )
