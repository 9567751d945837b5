"""All use of pg8000, and of the internals that its documentation does not name.

pg8000 blocks until an answer arrives, and has no way to run on an event loop
(https://github.com/mfenniak/pg8000/issues/82). Here it builds requests and parses answers, and
stream.py does the waiting. test_driver.py, test_postgres.py and test_secure_connection.py in
tests/integration fail when one of these changes. The figures were measured with TLS and SCRAM.

- `_sock`, `send_...`, `handle_messages`, `Context`: a request without the wait for its answer. With
  a thread that waits, a request took 1.6 times the CPU at one connection (348 us; without TLS).
- `prepare_statement`: the name and columns, which pg8000's PreparedStatement keeps private.
  Statements that are not prepared have 0.6 of the rate at one connection, 0.75 at eight.
- `FLUSH_MSG`: pg8000 asks for each message's answer in a packet of its own, which takes 10% more
  CPU for a row.
- `_usock`: the socket that pg8000 was given, for the event loop.
- `_backend_key_data`: the only way to cancel a statement and to recognize a pooler.
- `handle_AUTHENTICATION_REQUEST`: pg8000 always prefers channel binding, and can't require or
  disable it (https://github.com/tlocke/pg8000/issues/63 added it).
- `_sock.close()`: pg8000 leaves the file open that it makes of the socket, and so the socket, too
  (https://github.com/tlocke/pg8000/issues/100 is about one case of it).
"""

import socket
import struct
from contextlib import suppress
from io import BytesIO
from ssl import SSLSocket
from types import SimpleNamespace
from typing import Any

from function.store.imports import stand_ins

with stand_ins():
    from pg8000.core import FLUSH_MSG, NULL_BYTE, SYNC_MSG, Context, scramp
    from pg8000.exceptions import DatabaseError, InterfaceError
    from pg8000.native import Connection

from function.store.sockets import OTHER_PROTOCOL, Address

__all__ = ["CONNECTION_ERRORS", "Connection", "DatabaseError", "InterfaceError", "Session"]

# The connection can't be made or used.
CONNECTION_ERRORS = (OSError, InterfaceError, struct.error)

# What pg8000 raises when another program than PostgreSQL answers.
NOT_UNDERSTOOD = (LookupError, ValueError, struct.error)

# The messages of SCRAM with its channel binding, in order.
# https://www.postgresql.org/docs/current/protocol-message-formats.html, Authentication...
SASL, SASL_STEPS = 10, (10, 11, 12, 0)
SCRAM_FAILED = (
    "SCRAM failed: the server offers another method or can't prove that it knows the password, or"
    " the password has characters that SCRAM does not take"
)

Rows = list[list[Any]]
# A statement's name, columns and readers. Behind a pooler it has none, and is sent as a whole.
UNPREPARED: tuple[bytes, Any, Any] = (NULL_BYTE, None, None)


class Session(Connection):  # type: ignore[misc] # pg8000 has no annotations
    """A connection that blocks; after detach() it only builds requests and parses answers."""

    _sock: Any = None
    _usock: Any
    address: Address
    database: str

    pooled = False
    """Whether a pooler is in between: nothing lasts from one transaction to the next."""

    statement_timeout = 0.0
    """Seconds after which PostgreSQL cancels a statement."""

    def __init__(self, user: str | None, *, channel_binding: str, **arguments: Any) -> None:
        self._channel_binding = channel_binding
        self._steps = iter(SASL_STEPS)
        self._prepared: dict[str, tuple[bytes, Any, Any]] = {}
        try:
            super().__init__(user, **arguments)
        except BaseException as exc:
            self.abandon()
            if isinstance(exc, NOT_UNDERSTOOD) and not isinstance(exc, UnicodeEncodeError):
                raise InterfaceError(OTHER_PROTOCOL) from None
            raise

    def close(self) -> None:
        """Disconnect."""
        file = self._sock
        try:
            super().close()
        finally:
            _close(file)

    def abandon(self) -> None:
        """Leave the socket for its opener to close."""
        _close(self._sock)

    @property
    def encrypted(self) -> bool:
        """Whether it uses TLS."""
        return isinstance(self._usock, SSLSocket)

    def handle_AUTHENTICATION_REQUEST(self, data: bytes, context: Context) -> None:  # noqa: N802
        """Enforce channel_binding before any password is sent."""
        code = int.from_bytes(data[:4])
        if self._channel_binding == "require" and (
            code != next(self._steps, None)
            or not self.encrypted
            or (code == SASL and b"-PLUS\0" not in data)
        ):
            raise InterfaceError("the server does not offer what channel_binding=require demands")
        usock = self._usock
        if self._channel_binding == "disable":
            self._usock = None  # pg8000 binds to a TLS socket
        try:
            super().handle_AUTHENTICATION_REQUEST(data, context)
        except scramp.ScramException as exc:
            raise InterfaceError(SCRAM_FAILED) from exc
        finally:
            self._usock = usock

    def handle_messages(self, context: Context) -> None:
        """Where the server closed the connection, raise the reason that it gave."""
        try:
            super().handle_messages(context)
        except InterfaceError as exc:
            closed = ConnectionResetError("the server closed the connection")
            raise context.error or exc.__cause__ or closed from None

    @property
    def cancel_key(self) -> bytes:
        """What a CancelRequest must name; empty if the server gave none."""
        return self._backend_key_data or b""

    def prepare_all(self, *statements: str) -> None:
        """Prepare them, unless a pooler may send their next use to another connection."""
        for sql in () if self.pooled else statements:
            self._prepared[sql] = self.prepare_statement(sql, ())

    def detach(self) -> tuple[socket.socket, bytes]:
        """Hand over the socket, which blocks no longer, and what was received too early."""
        self._usock.setblocking(False)
        early = b""
        with suppress(OSError):  # what TLS raises where there is nothing
            early = self._sock.peek()
        self._sock.close()  # the file
        self._sock = BytesIO()
        return self._usock, early

    def request(self, sql: str, parameter: str, limit: float | None = None) -> bytes:
        """Build the messages that run a statement with one parameter, in `limit` seconds.

        The parameter stays out of the SQL, which PostgreSQL's log may quote.
        https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-PIPELINING
        """
        parts: list[bytes] = []
        self._sock = SimpleNamespace(write=parts.append)
        if limit or self.pooled:
            setting = set_limit(limit or self.statement_timeout, "true")
            self.send_PARSE(NULL_BYTE, f"SELECT 1 WHERE {setting} IS NULL")  # returns no row
            self.send_BIND(NULL_BYTE, ())
            self.send_EXECUTE()
        if self.pooled:
            self.send_PARSE(NULL_BYTE, sql)
            self.send_DESCRIBE_STATEMENT(NULL_BYTE)
        name, _, _ = self._prepared.get(sql, UNPREPARED)
        self.send_BIND(name, (parameter,))
        self.send_EXECUTE()
        parts.append(SYNC_MSG)
        return b"".join([part for part in parts if part is not FLUSH_MSG])

    def response(self, sql: str, answer: bytes) -> Rows:
        """Return the rows of an answer; of one that was cut off, raise the reason."""
        self._sock = BytesIO(answer)
        _, columns, readers = self._prepared.get(sql, UNPREPARED)
        context = Context(sql, None, columns, readers)
        self.handle_messages(context)
        rows: Rows = context.rows
        return rows


def _close(file: Any) -> None:
    if file:
        with suppress(OSError):
            file.close()


def set_limit(seconds: float, local: str) -> str:
    """The SQL that sets the time limit of statements; with `local`, for a transaction."""
    return f"set_config('statement_timeout', '{max(1, int(seconds * 1000))}', {local})"
