"""The database of `make run` and `make migrate`: DATABASE_URL's, or else one of the clone's own."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from dev.child import Child, StopRequest
from dev.connection import wait_for_connection
from dev.places import CLONE
from dev.postgres import EmbeddedPostgres
from function.settings import load_or_exit

NAME = "mentor"


@contextmanager
def own_postgres() -> Iterator[EmbeddedPostgres | None]:
    """The clone's own server, claimed but not started; None when DATABASE_URL names another.

    Raises PostgresError; leaving it stops the server.
    """
    if os.environ.get("DATABASE_URL"):
        yield None
        return
    server = EmbeddedPostgres(CLONE / ".data")
    server.claim()
    try:
        yield server
    finally:
        server.stop()


def started(server: EmbeddedPostgres | None) -> Mapping[str, str]:
    """Start the server, if it is ours, and return an environment whose DATABASE_URL names it."""
    if server is None:
        return os.environ
    if os.environ.get("PGHOST"):
        print("PGHOST is not used. To use that server, add DATABASE_URL=postgresql://", flush=True)
    print("Starting PostgreSQL ...", flush=True)
    server.start()
    # A PGSSLMODE or the like in a developer's shell is meant for another server.
    others = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**others, "DATABASE_URL": server.create_database(NAME)}


def migrate(environ: Mapping[str, str], stop: StopRequest) -> int:
    """Apply schema.sql and return the job's exit code. Raises Stopped and PostgresError."""
    wait_for_connection(load_or_exit(environ).postgres, stop)
    print("Migrating the database ...", flush=True)
    with Child([sys.executable, "-m", "function.migrate"], environ) as job:
        return job.wait(stop)
