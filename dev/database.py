"""The database of `make run` and `make migrate`: DATABASE_URL's, or the clone's own.

`python -m dev.database` (`make migrate`) applies schema.sql to it.
"""

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from dev.initdb import PostgresError
from dev.paths import CLONE
from dev.postgres import EmbeddedPostgres
from dev.supervisor import Process, Stopped, StopRequest, in_background
from function.migrate import PASSING
from function.postgres_settings import PostgresSettings
from function.settings import load_or_exit
from function.store.connection import connect
from function.store.driver import CONNECTION_ERRORS, DatabaseError
from function.store.faults import describe, sqlstate

NAME = "mentor"
CONNECT_LIMIT = 8.0  # seconds; a wrong DATABASE_URL ends `make run` within 10
PAUSE = 0.5  # seconds between two attempts


@contextmanager
def own_postgres() -> Iterator[EmbeddedPostgres | None]:
    """The clone's own server, claimed but not started; None if DATABASE_URL is set.

    The server stops at the end of the block. Raises PostgresError.
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
    """Start the server, if it is ours; return the environment with its DATABASE_URL."""
    if server is None:
        return os.environ
    if os.environ.get("PGHOST"):
        print("PGHOST is not used. To use that server, add DATABASE_URL=postgresql://", flush=True)
    print("Starting PostgreSQL ...", flush=True)
    server.start()
    # A PGSSLMODE or the like in a developer's shell is for another server.
    others = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**others, "DATABASE_URL": server.create_database(NAME)}


def migrate(environ: Mapping[str, str], stop: StopRequest) -> int | None:
    """Apply schema.sql and return the job's exit code. Raises Stopped and PostgresError."""
    settings = load_or_exit(environ).postgres
    try:
        in_background(partial(_wait_for_connection, settings), stop.check, CONNECT_LIMIT)
    except TimeoutError:
        raise PostgresError(
            f"{settings.address}: no connection in {CONNECT_LIMIT:g} seconds. "
            "Check DATABASE_URL and PG*."
        ) from None
    print("Migrating the database ...", flush=True)
    with Process([sys.executable, "-m", "function.migrate"], env=environ) as job:
        return stop.wait(job)


def _wait_for_connection(settings: PostgresSettings) -> None:
    """Return when PostgreSQL has accepted a connection.

    The migrate job waits a minute for any error to pass, because a platform may create the role
    and the database later. Here most errors are mistakes in DATABASE_URL, to be shown soon.
    Raises PostgresError for one that waiting does not cure.
    """
    reported = ""
    while True:
        try:
            connect(settings, CONNECT_LIMIT).close()
            return
        except (DatabaseError, *CONNECTION_ERRORS) as exc:
            if reported != (reason := describe(exc)):
                reported = reason
                print(f"No connection to PostgreSQL at {settings.address}: {reason}", flush=True)
            if isinstance(exc, DatabaseError) and not sqlstate(exc).startswith(PASSING):
                raise PostgresError(
                    "Waiting does not cure this: check DATABASE_URL and PG*."
                ) from exc
        time.sleep(PAUSE)


def main() -> int:
    """Return the exit code of the job; 1 when PostgreSQL doesn't start."""
    stop = StopRequest()
    try:
        with own_postgres() as server:
            return migrate(started(server), stop) or 0
    except Stopped:
        return 1
    except PostgresError as exc:
        print(exc, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
