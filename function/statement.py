"""A statement with one parameter, a JSON text in the place of its `$1`.

Over a connection of our own it is prepared once. Behind a pooler the next message may go to another
of its connections, which knows nothing of the last one. So there all of it goes in one message, and
PostgreSQL makes one transaction of what stands in one.
"""

from __future__ import annotations

from binascii import b2a_base64
from typing import Any, Protocol

from function.postgres import Session, milliseconds

Rows = list[list[Any]]


class Statement(Protocol):
    """What can be run again and again."""

    def run(self, *, json: str) -> Rows:
        """Return the rows. Raises DatabaseError, or one of CONNECTION_ERRORS."""


class OneMessage:
    """Sends all of the statement each time, with its time limit before it."""

    def __init__(self, session: Session, sql: str, timeout: float) -> None:
        """`timeout` is in seconds."""
        self._session = session
        limit = f"SET LOCAL statement_timeout = {milliseconds(timeout)};"
        self._before, self._after = f"{limit}{sql}".split("$1")

    def run(self, *, json: str) -> Rows:
        # In base64, which has no character that could end the literal.
        text = b2a_base64(json.encode(), newline=False).decode()
        value = f"convert_from(decode('{text}', 'base64'), 'UTF8')::jsonb"
        rows: Rows = self._session.run(f"{self._before}{value}{self._after}")
        return rows


def make_statement(session: Session, sql: str, timeout: float) -> Statement:
    """Prepare the statement, or what does for it behind a pooler; `timeout` is in seconds."""
    if session.pooled:
        return OneMessage(session, sql, timeout)
    prepared: Statement = session.prepare(sql)
    return prepared
