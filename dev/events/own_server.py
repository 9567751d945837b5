"""The PostgreSQL of `make run`, which comes, goes, and may come back on another port."""

from contextlib import closing
from pathlib import Path

from dev import postmaster
from dev.database import NAME
from dev.debezium_role import ROLE, make_role
from dev.events.place import NotReady
from function.postgres_settings import PostgresSettings
from function.settings import load
from function.store.connection import connect
from function.store.driver import CONNECTION_ERRORS, DatabaseError

# Which schema.sql has done, of what Debezium needs.
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


class OwnServer:
    """The server whose data lies in `folder`."""

    name = "`make run`"
    slot = "mentor_events"

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "events"
        self._cluster = folder / "cluster"

    def ready(self) -> PostgresSettings:
        port = postmaster.port(self._cluster)
        if port is None:
            raise NotReady(NOT_RUNNING)
        _set_up(_settings("postgres", port))
        return _settings(ROLE, port)

    def is_leaving(self) -> bool:
        """It wants Debezium to confirm all, which that does at its next heartbeat only."""
        return not postmaster.is_ready(self._cluster)

    def remember(self) -> None:
        """Nothing: `make clean` removes the server with its slots."""


def _settings(user: str, port: int) -> PostgresSettings:
    # Nothing of the environment: a PGSSLMODE in a developer's shell is meant for another server.
    url = f"postgresql://{user}@127.0.0.1:{port}/{NAME}?sslmode=disable"
    return load({"DATABASE_URL": url, "PGAPPNAME": "make events"}).postgres


def _set_up(superuser: PostgresSettings) -> None:
    """Make Debezium's role, which schema.sql leaves to whoever deploys it."""
    try:
        with closing(connect(superuser, statement_timeout=5)) as connection:
            [[migrated]] = connection.run(MIGRATED)
            if migrated:
                make_role(connection)
    except (DatabaseError, *CONNECTION_ERRORS):  # it is starting, or has no database yet
        migrated = False
    if not migrated:
        raise NotReady(NOT_MIGRATED)
