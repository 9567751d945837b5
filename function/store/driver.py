"""All use of pg8000, and of what its documentation does not name.

pg8000 waits for each answer. Here it builds messages and parses answers, and the event loop does
the waiting. Nothing else speaks PostgreSQL's protocol without waiting, in Python alone, for 43 ms
of a cold start. tests/integration/test_driver.py fails when pg8000 changes what is used of it.

- `_sock`, the `send_` and `handle_` methods, `Context`: a message without the wait for its answer.
- `_usock`: the socket, for the event loop.
- `handle_AUTHENTICATION_REQUEST`: pg8000 has no channel_binding=require and =disable.
- `prepare_statement`: the name and columns, which pg8000's PreparedStatement keeps for itself.
- `_backend_key_data`: finds poolers, and cancels statements.
- `FLUSH_MSG`: pg8000 asks for a packet of each message's answer; left out, an answer is one packet.
"""

import socket
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from ssl import SSLSocket
from typing import Any

from function.store.imports import stand_ins

with stand_ins():
    from pg8000.core import FLUSH_MSG, NULL_BYTE, SYNC_MSG, Context
    from pg8000.exceptions import DatabaseError, InterfaceError
    from pg8000.native import Connection

from function.store.sockets import Address

__all__ = ["CONNECTION_ERRORS", "Connection", "DatabaseError", "InterfaceError", "Session"]

# Everything that says "this connection, or the attempt at one, is of no use".
CONNECTION_ERRORS = (OSError, InterfaceError, struct.error)

# SQLSTATE classes whose message names roles, databases, tables and states, but no value of a row:
# connection, authorization, catalog, syntax and access, resources, operator intervention.
QUOTELESS = ("08", "25", "28", "3D", "3F", "42", "53", "55", "57")

# SQLSTATE classes that tell of the connection or the server, and may pass: connection, transaction
# state, transaction rollback, resources, locks, operator intervention, system and internal errors.
PASSING = ("08", "25", "40", "53", "55", "57", "58", "F0", "XX")

# https://www.postgresql.org/docs/current/protocol-message-formats.html, Authentication...
AUTHENTICATED, SASL, SASL_CONTINUE, SASL_FINAL = 0, 10, 11, 12

CLOSED = "the server closed the connection"

NOT_MIGRATED = ("42P01", "42703", "42704")  # no such table, column, type

Rows = list[list[Any]]


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement with one parameter. Behind a pooler it has no name, and goes out as a whole."""

    sql: str
    name: bytes = NULL_BYTE
    columns: list[Any] | None = None
    readers: list[Any] = field(default_factory=list)


class _Request(BytesIO):
    """Takes the place of the socket's file while pg8000 writes."""

    def write(self, part: Any) -> int:
        return 0 if part is FLUSH_MSG else super().write(part)


class Session(Connection):  # type: ignore[misc] # pg8000 has no annotations
    """A connection, first one that waits, then one for the event loop."""

    _sock: Any
    _usock: Any
    address: Address
    """Where it leads to."""

    pooled = False
    """Whether a pooler stands in between: nothing lasts from one transaction to the next."""

    def __init__(self, user: str, *, channel_binding: str, **arguments: Any) -> None:
        self._channel_binding = channel_binding
        self._server_proved = False
        try:
            super().__init__(user, **arguments)
        except BaseException:
            self.abandon()
            raise

    def close(self) -> None:
        """Disconnect."""
        file = self._sock
        try:
            super().close()
        finally:
            _close_file(file)

    def abandon(self) -> None:
        """Let go of the socket, which its opener closes."""
        _close_file(getattr(self, "_sock", None))

    @property
    def encrypted(self) -> bool:
        """Whether it speaks TLS."""
        return isinstance(self._usock, SSLSocket)

    def handle_AUTHENTICATION_REQUEST(self, data: bytes, context: Context) -> None:  # noqa: N802
        """Bind to the channel as channel_binding says; before that, no password goes out."""
        code = int.from_bytes(data[:4])
        if self._channel_binding == "require" and not self._is_bound(code, data):
            raise InterfaceError("the server does not offer what channel_binding=require demands")
        usock = self._usock
        if self._channel_binding == "disable":
            self._usock = None  # pg8000 binds to a socket of TLS
        super().handle_AUTHENTICATION_REQUEST(data, context)
        self._usock = usock
        self._server_proved |= code == SASL_FINAL

    def _is_bound(self, code: int, data: bytes) -> bool:
        """Whether this step belongs to SCRAM-SHA-256-PLUS, over TLS, up to the server's proof."""
        if code == SASL:
            return self.encrypted and b"-PLUS\0" in data
        if code == AUTHENTICATED:
            return self._server_proved
        return code in {SASL_CONTINUE, SASL_FINAL} and hasattr(self, "auth")

    def require_attributes(self, target: str) -> None:
        """Raise InterfaceError unless the server is what target_session_attrs names."""
        if target == "any":
            return
        [[standby, read_only]] = self.run(
            "SELECT pg_is_in_recovery(), current_setting('transaction_read_only')"
        )
        if standby or (target == "read-write" and read_only == "on"):
            raise InterfaceError(f"the server is not what target_session_attrs={target} demands")

    def limit_statements(self, seconds: float) -> None:
        """Have PostgreSQL cancel what takes longer, unless the session is not ours to change.

        The greeting names PostgreSQL's process; a pooler makes that up. In a startup parameter
        PgBouncer refuses the limit; and one that is set would reach whoever has its connection
        next, so it is set only where the processes agree, by one and the same statement.
        """
        limit = f"set_config('statement_timeout', '{int(seconds * 1000)}', %s)"
        process = int.from_bytes(self.cancel_key[:4], signed=True)
        [[found]] = self.run(
            f"SELECT CASE pg_backend_pid() WHEN {process} THEN {limit % 'false'} END"
        )
        self.pooled = found is None
        self._limit = f"SELECT {limit % 'true'}"

    def make_statement(self, sql: str) -> Statement:
        """Prepare it, unless a pooler may send its next use to another connection."""
        return Statement(sql) if self.pooled else Statement(sql, *self.prepare_statement(sql, ()))

    def request(self, statement: Statement, parameter: str) -> bytes:
        """Build the messages that run the statement, as one transaction.

        Behind a pooler the time limit comes first. Parameters stay out of the statements, which
        PostgreSQL's log may quote.
        https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-PIPELINING
        """
        self._sock = request = _Request()
        if self.pooled:
            self._write_whole(self._limit)
            self._write_whole(statement.sql, parameter)
        else:
            self.send_BIND(statement.name, (parameter,))
            self.send_EXECUTE()
        request.write(SYNC_MSG)
        return request.getvalue()

    def _write_whole(self, sql: str, *parameters: str) -> None:
        self.send_PARSE(NULL_BYTE, sql)
        self.send_DESCRIBE_STATEMENT(NULL_BYTE)
        self.send_BIND(NULL_BYTE, parameters)
        self.send_EXECUTE()

    def response(self, statement: Statement, answer: bytes) -> Rows:
        """Return the rows of an answer; of one that is cut off, raise what it says of the reason.

        Raises DatabaseError, or one of CONNECTION_ERRORS.
        """
        self._sock = BytesIO(answer)
        context = Context(statement.sql, None, statement.columns, statement.readers)
        try:
            self.handle_messages(context)
        except InterfaceError:
            raise context.error or ConnectionResetError(
                "the server closed the connection"
            ) from None
        rows: Rows = context.rows
        return rows[1:] if self.pooled else rows

    def detach(self) -> tuple[socket.socket, bytes]:
        """Hand over the socket, without a wait from now on, and what was received too early."""
        self._usock.setblocking(False)
        early = b""
        with suppress(OSError):  # TLS says by an error that there is nothing
            early = self._sock.peek()
        self._sock.close()  # the file, which would keep the socket open
        self._sock = BytesIO()
        return self._usock, early

    @property
    def cancel_key(self) -> bytes:
        """What a CancelRequest must name; empty if the server gave none."""
        return self._backend_key_data or b""


def _close_file(file: Any) -> None:
    """Close the file that pg8000 has over the socket and leaves open, and the socket with it."""
    if file:
        with suppress(OSError):
            file.close()


def sqlstate(error: BaseException) -> str:
    """The five characters of PostgreSQL's error code, or "" for any other error.

    https://www.postgresql.org/docs/current/errcodes-appendix.html
    """
    if isinstance(error, DatabaseError) and error.args and isinstance(error.args[0], dict):
        return str(error.args[0].get("C", ""))
    return ""


def describe(error: BaseException) -> str:
    """Say what went wrong, for a log, without any value of a row.

    PostgreSQL's own text can quote the row (DETAIL always does, and what a trigger says may), so
    only the SQLSTATE and the message of errors that are not about data are told. Of a bug only the
    class is: its text can quote a row, too.
    """
    if isinstance(error, CONNECTION_ERRORS):
        if isinstance(error.__cause__, OSError):  # pg8000 says "network error" of all of them
            error = error.__cause__
        return f"{type(error).__name__}: {error}"
    state = sqlstate(error)
    if state.startswith(QUOTELESS) and "W" not in error.args[0]:  # where in a function it was
        hint = ": run the migrate job" if state in NOT_MIGRATED else ""
        return f"SQLSTATE {state}: {error.args[0].get('M')}{hint}"
    return f"SQLSTATE {state}" if state else type(error).__name__
