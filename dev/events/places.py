"""The two kinds of servers whose events are followed: that of `make run`, and DATABASE_URL's."""

import fcntl
import hashlib
import platform
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Protocol

from dev import postmaster
from dev.database import NAME
from dev.debezium import ROLE, make_role
from dev.events.rights import missing
from dev.paths import CLONE
from function.postgres_settings import PostgresSettings
from function.settings import load
from function.store.connection import connect, credentials
from function.store.driver import (
    CONNECTION_ERRORS,
    Connection,
    DatabaseError,
    describe,
    sqlstate,
)

# What Debezium needs of schema.sql.
MIGRATED = """
SELECT EXISTS (SELECT FROM pg_publication_tables
               WHERE pubname = 'mentor_feedback' AND schemaname = 'public')
       AND EXISTS (SELECT FROM pg_roles WHERE rolname = 'mentor_cdc')
       AND coalesce(has_table_privilege('mentor_cdc', to_regclass('public.feedback'), 'SELECT'),
                    false)
"""
NOT_RUNNING = """Waiting for `make run`: start it in another terminal.
(For a server of your own: make events DATABASE_URL=postgresql://...)"""
NOT_MIGRATED = "Waiting until `make run` has set up its database ..."

# The server starts, stops, or is full. Other refusals are permanent.
PASSING = ("57P", "53")
DROP = """
SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = :slot
"""
OBJECT_IN_USE = "55006"  # until Debezium's connection has ended
DROP_ATTEMPTS, DROP_PAUSE = 10, 0.5  # seconds
NOT_DROPPED = """The slot {slot} is still on {server} ({reason}).
The server keeps its log for it, until you run there
    SELECT pg_drop_replication_slot('{slot}');"""


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


class OtherServer:
    """A database of DATABASE_URL's server, which keeps a slot only while `make events` runs."""

    def __init__(self, data: Path, postgres: PostgresSettings) -> None:
        [server, *others] = postgres.hosts
        if others or server.name.startswith("/"):
            raise EventsError("Debezium connects to one host by TCP: DATABASE_URL must name it.")
        self._postgres = postgres
        self.name = f"{postgres.address}/{postgres.database or credentials(postgres)[0]}"
        self.folder = data / f"events-{_digest(self.name)}"
        # Another developer's clone may have the same path.
        self.slot = f"mentor_events_{_digest(platform.node(), str(CLONE), self.name)}"
        self._may_have_slot = False

    def ready(self) -> PostgresSettings:
        try:
            with closing(connect(self._postgres, statement_timeout=10)) as connection:
                problems = missing(connection, self.slot)
        except (DatabaseError, *CONNECTION_ERRORS) as exc:
            if isinstance(exc, DatabaseError) and not sqlstate(exc).startswith(PASSING):
                raise EventsError(f"{self.name} refuses: {describe(exc)}") from exc
            raise NotReady(f"Waiting for {self.name} ({describe(exc)}) ...") from exc
        if problems:
            raise EventsError("\n".join([f"{self.name} is not ready for Debezium:", *problems]))
        self._may_have_slot = True
        return self._postgres

    def is_leaving(self) -> bool:
        """Unknown here; Debezium notices it after some seconds."""
        return False

    def end(self) -> str:
        """Drop the slot: the server would keep its log for it, perhaps without a limit."""
        if not self._may_have_slot:
            return ""
        try:
            with closing(connect(self._postgres, statement_timeout=5)) as connection:
                self._drop_slot(connection)
        except (DatabaseError, *CONNECTION_ERRORS) as exc:
            return NOT_DROPPED.format(slot=self.slot, server=self.name, reason=describe(exc))
        (self.folder / "offsets").unlink(missing_ok=True)
        return "The next `make events` shows all feedback again."

    def _drop_slot(self, connection: Connection) -> None:
        for attempt in range(DROP_ATTEMPTS):
            try:
                connection.run(DROP, slot=self.slot)
                return
            except DatabaseError as exc:
                if sqlstate(exc) != OBJECT_IN_USE or attempt == DROP_ATTEMPTS - 1:
                    raise
            time.sleep(DROP_PAUSE)


def place_of(data: Path, environ: Mapping[str, str]) -> Place:
    """DATABASE_URL's database, or otherwise that of `make run`.

    Raises EventsError and ConfigurationError.
    """
    if environ.get("DATABASE_URL"):
        return OtherServer(data, load(environ).postgres)
    return OwnServer(data)


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Own the folder, which is made. Raises EventsError when another process owns it."""
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise EventsError(
                "Another `make events` of this clone follows this database: stop it first."
            ) from None
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


def _digest(*texts: str) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:10]
