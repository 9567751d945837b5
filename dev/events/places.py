"""What `make events` follows: the server of `make run`, or another one (other_server.py)."""

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Protocol

from dev import paths, postmaster
from dev.database import NAME
from dev.debezium import ROLE, make_role
from function.postgres_settings import PostgresSettings
from function.settings import load
from function.store.connection import connect
from function.store.driver import (
    CONNECTION_ERRORS,
    DatabaseError,
)

# What Debezium needs of schema.sql.
MIGRATED = """
SELECT count(*) = 3
FROM pg_publication_tables JOIN pg_roles ON rolname = 'mentor_cdc'
WHERE pubname = 'mentor_feedback' AND schemaname = 'public'
AND tablename IN ('feedback', 'strategy_revision', 'student_erasure')
AND has_table_privilege(rolname, format('public.%I', tablename), 'SELECT')
"""
NOT_RUNNING = """Waiting for `make run`: start it in another terminal.
(For a server of your own: make events DATABASE_URL=postgresql://...)"""
NOT_MIGRATED = "Waiting until `make run` has set up its database ..."


class EventsError(Exception):
    """`make events` can't continue; the text says what to do."""


class NotReady(Exception):
    """The server is not ready yet; the text says what `make events` waits for."""


class Place(Protocol):
    """A database whose feedback is followed."""

    name: str  # for people
    slot: str
    folder: Path  # what is kept from one start to the next

    def ready(self) -> PostgresSettings:
        """How Debezium connects to the database, which has all that it needs.

        Raises NotReady, EventsError.
        """
        ...

    def is_leaving(self) -> bool:
        """Whether the server is stopping, and waits until Debezium disconnects."""
        ...

    def end(self) -> str:
        """Clean up at the end; return what to tell the user."""
        ...


class OwnServer:
    """The server of `make run`: it stops, and starts again, perhaps on another port."""

    name = "`make run`"
    slot = "mentor_events"

    def __init__(self, data: Path) -> None:
        self.folder = data / "events"
        self._cluster = data / "cluster"

    def ready(self) -> PostgresSettings:
        port = postmaster.running_port(self._cluster)
        if port is None:
            raise NotReady(NOT_RUNNING)
        _set_up(_settings("postgres", port))
        return _settings(ROLE, port)

    def is_leaving(self) -> bool:
        """PostgreSQL waits until Debezium confirms all, which takes until its next heartbeat."""
        return not postmaster.is_ready(self._cluster)

    def end(self) -> str:
        return "The next `make events` continues from here."


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Own the folder, which is made. Raises EventsError when another process owns it."""
    folder.mkdir(exist_ok=True)
    lock = paths.try_lock(folder / "lock")
    if lock is None:
        raise EventsError(
            "Another `make events` of this clone follows this database: stop it first."
        )
    with lock:
        yield


def say(text: str) -> None:
    """Tell the user; stdout is for events only."""
    with suppress(OSError):  # the terminal is gone
        print(text, file=sys.stderr, flush=True)


def _settings(user: str, port: int) -> PostgresSettings:
    # Without the environment: a PGSSLMODE in a developer's shell is for another server.
    url = f"postgresql://{user}@127.0.0.1:{port}/{NAME}?sslmode=disable"
    return load({"DATABASE_URL": url, "PGAPPNAME": "make events"}).postgres


def _set_up(superuser: PostgresSettings) -> None:
    """Make Debezium's role, which schema.sql does not make."""
    try:
        with closing(connect(superuser, statement_timeout=5)) as connection:
            [[migrated]] = connection.run(MIGRATED)
            if migrated:
                make_role(connection)
    except (DatabaseError, *CONNECTION_ERRORS):  # it is starting, or has no database yet
        migrated = False
    if not migrated:
        raise NotReady(NOT_MIGRATED)
