"""A statement with one parameter, a JSON text in the place of its `$1`.

Over a connection of our own it is prepared once. Behind a pooler the next message may go to another
of its connections, which knows nothing of the last one: there each run is a transaction, which
sends all it needs at once.
"""

from __future__ import annotations

from typing import Any, Protocol

from function.store.connection import Session, milliseconds

Rows = list[list[Any]]


class Statement(Protocol):
    """What can be run again and again."""

    def run(self, *, json: str) -> Rows:
        """Return the rows. Raises DatabaseError, or one of CONNECTION_ERRORS."""


class OneTransaction:
    """Sends all of the statement each time, with its time limit before it."""

    def __init__(self, session: Session, sql: str, timeout: float) -> None:
        """`timeout` is in seconds."""
        self._session = session
        self._sql = sql
        self._limit = f"SELECT set_config('statement_timeout', '{milliseconds(timeout)}', true)"

    def run(self, *, json: str) -> Rows:
        _, *rows = self._session.run_together((self._limit, ()), (self._sql, (json,)))
        return rows


def make_statement(session: Session, sql: str, timeout: float) -> Statement:
    """Prepare the statement, or what does for it behind a pooler; `timeout` is in seconds."""
    if session.pooled:
        return OneTransaction(session, sql, timeout)
    prepared: Statement = session.prepare(sql)
    return prepared
