"""`python -m function.migrate`: bring the database to schema.sql, then exit.

Strategy: an attempt connects, takes an advisory lock, runs schema.sql step by step and closes the
connection. A temporary obstacle (no server yet, another migration in progress, a transaction that
holds the table) ends the attempt. The next attempt starts at the first step, and finished steps
change nothing. Between two attempts, inserts that queued behind a lock request of the job proceed.
"""

import logging
import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain, repeat
from pathlib import Path

from function import logs
from function.process import exit_at
from function.settings import Settings, load_or_exit
from function.store.connection import connect
from function.store.driver import CONNECTION_ERRORS, Connection, DatabaseError
from function.store.faults import describe, sqlstate

# Any number that no other job uses in this database.
ADVISORY_LOCK = int.from_bytes(b"mentor", "big")

# SQLSTATEs of obstacles that end when another session ends: locks, a restart, two sessions that
# create the same object (XX000 is "tuple concurrently updated").
PASSING = ("08", "23505", "40", "53", "55P03", "57P", "XX000")

# https://www.postgresql.org/docs/current/errcodes-appendix.html
HINTS = {
    "0A000": "Drop what depends on the column, run this again, and create it again.",
    "25P04": "The server ends long transactions: ALTER ROLE <the role that runs this> SET"
    " transaction_timeout = 0, and run this again.",
    "25006": "The server is a standby or read-only: DATABASE_URL must name the primary.",
    "3F000": "CREATE SCHEMA public",
    "42501": "The role that runs this must own the table, or be a member of the role that owns it;"
    " to create the table, it needs: GRANT CREATE ON SCHEMA public TO <the role>",
    "42P16": "It inherits the column: ALTER TABLE feedback NO INHERIT <its parent>, and run this"
    " again.",
    "42P17": "An index has an expression or a condition with created_at: drop it, run this again,"
    " and create it again with (created_at AT TIME ZONE 'UTC').",
    "42P07": "Something else has this name: rename it, and run this again.",
    "55P03": "A transaction holds the table: end it (see pg_stat_activity), or raise"
    " MIGRATE_TIMEOUT.",
    "57014": "MIGRATE_TIMEOUT also limits each statement: raise it. If this built an index, end the"
    " transaction that it waited for (see pg_stat_activity).",
    "P0001": "A trigger of this database refuses the change: disable it, and run this again.",
}

# The events of schema.sql's warnings, by SQLSTATE.
WARNINGS = {
    "01M01": "left undone",
    "01M02": "rows may lack their events",
    "01M03": "rows may be refused",
}

POOLED = (
    "DATABASE_URL leads to a pooler, such as PgBouncer; the job takes a lock that needs a session"
    " of its own: name PostgreSQL itself"
)

log = logging.getLogger("function.migrate")


class MigrationError(Exception):
    """The schema could not be applied; the text says why, and what to do."""


class NotYetError(MigrationError):
    """The same, but the cause may end by itself."""


def main() -> int:
    """Return the exit code: 0, or 1 when the schema could not be applied."""
    exit_at(signal.SIGTERM)
    settings = load_or_exit(os.environ)
    logs.configure(settings.log_level, settings.log_format)
    try:
        changes = migrate(settings)
    except MigrationError as exc:
        log.error("migration failed", extra={"reason": str(exc)})
        return 1
    log.info("schema migrated" if changes else "schema was up to date", extra={"changes": changes})
    return 0


def migrate(settings: Settings) -> int:
    """Apply schema.sql and return the number of changes.

    Waits for up to `settings.migrate_timeout` seconds, then raises the last obstacle. Logs an
    obstacle once, and again when it changes.
    """
    deadline = time.monotonic() + settings.migrate_timeout
    changes: list[str] = []
    logged = ""
    for pause in chain((0.1, 0.2, 0.5, 1.0), repeat(2.0)):
        try:
            _attempt(settings, changes)
            break
        except NotYetError as exc:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise
            if logged != str(exc):
                logged = str(exc)
                log.info("waiting", extra={"reason": logged})
            time.sleep(min(pause, remaining))
    return len(changes)


def _attempt(settings: Settings, changes: list[str]) -> None:
    """Append to `changes` what was done, even if an error ends the attempt."""
    with _connected(settings) as connection:
        with _explained("take the advisory lock"):
            # Not pg_advisory_lock: a statement that waits holds a snapshot, and the other job's
            # CREATE INDEX CONCURRENTLY waits for all snapshots: a deadlock.
            if connection.run(f"SELECT pg_try_advisory_lock({ADVISORY_LOCK})") != [[True]]:
                raise NotYetError("another migration of this database is in progress")
        for title, sql in _steps():
            with _explained(title):
                for change in run_step(connection, sql):
                    log.info("schema changed", extra={"change": change})
                    changes.append(change)


def _steps() -> Iterator[tuple[str, str]]:
    """Split schema.sql, which is in the package in a wheel, and beside it in the repository."""
    inside = Path(__file__).with_name("schema.sql")
    file = inside if inside.exists() else inside.parents[1] / inside.name
    parts = re.split(r"^-- Step: (.+)\n", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return zip(parts[1::2], parts[2::2], strict=True)


def run_step(connection: Connection, sql: str) -> Iterator[str]:
    """Run one step, and yield each change after it is made."""
    *generators, rest = sql.split("\n\\gexec")
    for query in generators:
        rows = connection.run(query)
        yield from _notices(connection)
        for statement in filter(None, chain(*rows)):
            connection.run(statement)
            yield statement
    connection.run(rest)
    yield from _notices(connection)


def _notices(connection: Connection) -> Iterator[str]:
    """Log warnings, and yield schema.sql's own notices: PostgreSQL's have an SQLSTATE."""
    while connection.notices:
        notice = {
            key: value.decode(errors="replace")
            for key, value in connection.notices.popleft().items()
        }
        if notice[b"V"] == "WARNING":
            event = WARNINGS.get(notice[b"C"], "PostgreSQL warned")
            log.warning(event, extra={"what": notice[b"M"], "hint": notice.get(b"H", "")})
        elif notice[b"C"] == "00000":
            yield notice[b"M"]


@contextmanager
def _connected(settings: Settings) -> Iterator[Connection]:
    """Connect. Any refusal may end: a platform may still be creating the role and the database."""
    try:
        connection = connect(settings.postgres, settings.migrate_timeout)
    except (DatabaseError, *CONNECTION_ERRORS) as exc:
        address = settings.postgres.address
        raise NotYetError(f"no connection to PostgreSQL at {address}: {describe(exc)}") from exc
    try:
        if connection.pooled:
            raise MigrationError(POOLED)
        yield connection
    finally:
        with suppress(*CONNECTION_ERRORS):
            connection.close()


@contextmanager
def _explained(title: str) -> Iterator[None]:
    """Translate errors, with PostgreSQL's DETAIL: these statements contain no student's words."""
    try:
        yield
    except CONNECTION_ERRORS as exc:
        raise NotYetError(f"could not {title}: {describe(exc)}") from exc
    except DatabaseError as exc:
        state, said = sqlstate(exc), exc.args[0]
        parts = said.get("M"), said.get("D"), said.get("H") or HINTS.get(state)
        reason = f"could not {title}: {'. '.join(part.rstrip('.') for part in parts if part)}"
        raise (NotYetError if state.startswith(PASSING) else MigrationError)(reason) from exc


if __name__ == "__main__":
    sys.exit(main())
