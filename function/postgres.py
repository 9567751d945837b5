"""One way to connect to PostgreSQL, for the store and for the migrate job.

pg8000 leaves three things to its caller that matter here, so it is handed a socket of ours:
TCP_NODELAY (a statement over 8 KB goes out in two writes, and Nagle's algorithm with a delayed
acknowledgement would hold the second one back for 40 ms), a time limit on the connect that is
not the limit on a statement, and libpq's sslmode.

A pooler may stand in between that gives each transaction another of its connections, as PgBouncer
does. It is found out, not configured, for what it breaks it breaks by chance, and under load.
"""

import importlib
import socket
import ssl
import struct
import sys
import time
from pathlib import Path
from types import ModuleType

from function.settings import PostgresSettings


def _defer_import(name: str) -> None:
    """Put the import of a module off until something in it is used."""

    def load(attribute: str) -> object:
        sys.modules.pop(name, None)
        return getattr(importlib.import_module(name), attribute)

    vars(stand_in := ModuleType(name))["__getattr__"] = load
    sys.modules.setdefault(name, stand_in)


# A tenth of a cold start, and only a server that asks for a SCRAM password needs it.
_defer_import("scramp")

from pg8000.exceptions import DatabaseError, InterfaceError  # noqa: E402 - after the deferral
from pg8000.native import Connection  # noqa: E402

__all__ = [
    "CONNECTION_ERRORS",
    "Connection",
    "DatabaseError",
    "InterfaceError",
    "Session",
    "connect",
    "credentials",
    "describe",
    "sqlstate",
]

# Everything that says "this connection, or the attempt at one, is of no use".
CONNECTION_ERRORS = (OSError, InterfaceError, struct.error)

# SQLSTATE classes whose message names roles, databases, tables and states, but no value of a row:
# connection, authorization, catalog, syntax and access, resources, operator intervention.
QUOTELESS = ("08", "25", "28", "3D", "3F", "42", "53", "55", "57")

# https://www.postgresql.org/docs/current/protocol-message-formats.html, SSLRequest
SSL_REQUEST = struct.pack("!ii", 8, 80877103)


class Session(Connection):  # type: ignore[misc] # pg8000 has no annotations
    """A connection, and what stands in between."""

    pooled = False
    """Whether a pooler does: then nothing lasts from one transaction to the next."""

    def limit_statements(self, seconds: float) -> None:
        """Have PostgreSQL cancel what takes longer, unless the session is not ours to change.

        The greeting names PostgreSQL's process; a pooler makes that up. In a startup parameter
        PgBouncer refuses the limit; and one that is set would reach whoever has its connection
        next, so it is set only where the processes agree, by one and the same statement.
        """
        greeting = self._backend_key_data or bytes(4)
        process = int.from_bytes(greeting[:4], signed=True)
        [[found]] = self.run(
            f"SELECT CASE pg_backend_pid() WHEN {process}"
            f" THEN set_config('statement_timeout', '{milliseconds(seconds)}', false) END"
        )
        self.pooled = found is None


def connect(settings: PostgresSettings, statement_timeout: float) -> Session:
    """Open a connection whose statements end within `statement_timeout` seconds.

    The server cancels a statement at the limit (SQLSTATE 57014), unless the session is pooled; a
    server that does not answer at all is given half a second more, then the socket raises
    TimeoutError.

    Raises DatabaseError when PostgreSQL refuses, one of CONNECTION_ERRORS when it can't be reached.
    """
    user, password = credentials(settings)
    sock = _open_socket(settings)
    try:
        session = Session(
            user,
            password=password or "",  # of None pg8000 makes an AttributeError, if one is asked for
            host=settings.host,
            database=settings.database or user,
            application_name=settings.application_name,
            ssl_context=False,
            sock=sock,
        )
        sock.settimeout(statement_timeout + 0.5)
        session.limit_statements(statement_timeout)
    except BaseException:
        sock.close()
        raise
    return session


def milliseconds(seconds: float) -> int:
    """Seconds in the unit of PostgreSQL's settings."""
    return int(seconds * 1000)


def sqlstate(error: BaseException) -> str:
    """The five characters of PostgreSQL's error code, or "" for any other error.

    https://www.postgresql.org/docs/current/errcodes-appendix.html
    """
    if isinstance(error, DatabaseError) and error.args and isinstance(error.args[0], dict):
        return str(error.args[0].get("C", ""))
    return ""


def describe(error: BaseException) -> str:
    """Say what went wrong, for a log, without any value of a row.

    PostgreSQL's own text can quote the row (DETAIL always does), so only the SQLSTATE and the
    message of errors that are not about data are told. Of a bug only the class is: its text can
    quote a row, too.
    """
    if isinstance(error, CONNECTION_ERRORS):
        return f"{type(error).__name__}: {error}"
    state = sqlstate(error)
    if state.startswith(QUOTELESS):
        return f"SQLSTATE {state}: {error.args[0].get('M')}"
    return f"SQLSTATE {state}" if state else type(error).__name__


def credentials(settings: PostgresSettings) -> tuple[str, str | None]:
    """User and password, from their files if they are there: rotated ones need no restart.

    Raises InterfaceError when there is no user.
    """
    user, password = settings.user, settings.password
    if settings.credentials_dir:
        user = _read(settings.credentials_dir / "username") or user
        password = _read(settings.credentials_dir / "password") or password
    if not user:
        raise InterfaceError("PG_CREDENTIALS_DIR holds no username")
    return user, password


def _read(file: Path) -> str | None:
    return file.read_text().strip() if file.exists() else None


def _open_socket(settings: PostgresSettings) -> socket.socket:
    deadline = time.monotonic() + settings.connect_timeout
    if settings.host.startswith("/"):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(settings.connect_timeout)
        sock.connect(f"{settings.host}/.s.PGSQL.{settings.port}")
        return sock
    sock = socket.create_connection((settings.host, settings.port), settings.connect_timeout)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.settimeout(max(0.1, deadline - time.monotonic()))
        return sock if settings.sslmode == "disable" else _start_tls(sock, settings)
    except BaseException:
        sock.close()
        raise


def _start_tls(sock: socket.socket, settings: PostgresSettings) -> socket.socket:
    """Ask for TLS as libpq does; `prefer` goes on without it when the server has none."""
    sock.sendall(SSL_REQUEST)
    answer = sock.recv(1)
    if answer == b"S":
        return _ssl_context(settings).wrap_socket(sock, server_hostname=settings.host)
    if answer == b"N" and settings.sslmode == "prefer":
        return sock
    raise InterfaceError(f"the server offers no TLS, and sslmode={settings.sslmode} demands it")


def _ssl_context(settings: PostgresSettings) -> ssl.SSLContext:
    """https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-SSLMODE-STATEMENTS"""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = settings.sslmode == "verify-full"
    # libpq: "require" with a root certificate at hand verifies as "verify-ca" does.
    if settings.sslrootcert and settings.sslmode != "prefer":
        context.load_verify_locations(settings.sslrootcert)
    else:
        context.verify_mode = ssl.CERT_NONE
    if settings.sslcert:
        context.load_cert_chain(settings.sslcert, settings.sslkey)
    return context
