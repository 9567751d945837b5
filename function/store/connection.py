"""One way to connect to PostgreSQL, for the store and for the migrate job.

A pooler may stand in between that gives each transaction another of its connections, as PgBouncer
does. It is found out, not configured, for what it breaks it breaks by chance, and under load.
"""

import importlib
import struct
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from function.postgres_settings import PostgresSettings
from function.store.sockets import open_socket


def _defer_import(name: str) -> None:
    """Put the import of a module off until something in it is used."""

    def load(attribute: str) -> object:
        sys.modules.pop(name, None)
        return getattr(importlib.import_module(name), attribute)

    vars(stand_in := ModuleType(name))["__getattr__"] = load
    sys.modules.setdefault(name, stand_in)


# A tenth of a cold start, and only a server that asks for a SCRAM password needs it.
_defer_import("scramp")

from pg8000.core import NULL_BYTE, SYNC_MSG, Context  # noqa: E402 - after the deferral
from pg8000.exceptions import DatabaseError, InterfaceError  # noqa: E402
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

    def run_together(self, *statements: tuple[str, Sequence[str]]) -> list[list[Any]]:
        """Run statements, each with its parameters, as one transaction; return the rows of all.

        They go out together and leave nothing behind, so no pooler comes in between; and the
        parameters stay out of the statements, which PostgreSQL's log may quote.
        https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-PIPELINING
        """
        for sql, parameters in statements:
            self.send_PARSE(NULL_BYTE, sql)
            self.send_DESCRIBE_STATEMENT(NULL_BYTE)
            self.send_BIND(NULL_BYTE, parameters)
            self.send_EXECUTE()
        self._sock.write(SYNC_MSG)
        self._sock.flush()
        context = Context(None)
        self.handle_messages(context)
        rows: list[list[Any]] = context.rows
        return rows


def connect(settings: PostgresSettings, statement_timeout: float) -> Session:
    """Open a connection whose statements end within `statement_timeout` seconds.

    The server cancels a statement at the limit (SQLSTATE 57014), unless the session is pooled; a
    server that does not answer at all is given half a second more, then the socket raises
    TimeoutError.

    Raises DatabaseError when PostgreSQL refuses, one of CONNECTION_ERRORS when it can't be reached.
    """
    user, password = credentials(settings)
    sock = open_socket(settings)
    try:
        session = Session(
            user,
            password=password or "",  # of None pg8000 makes an AttributeError, if one is asked for
            host=settings.hosts[0].name,
            database=settings.database or user,
            application_name=settings.application_name,
            startup_params={"client_encoding": "UTF8"},  # else it is the database's own
            ssl_context=False,
            sock=sock,
        )
        sock.settimeout(statement_timeout + 0.5)
        session.limit_statements(statement_timeout)
    except BaseException as exc:
        sock.close()
        if type(exc).__module__.startswith("scramp"):
            raise InterfaceError("the password has characters that SCRAM does not take") from exc
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

    Raises InterfaceError when there is no user, or a file is not UTF-8.
    """
    user, password = settings.user, settings.password
    if settings.credentials_dir:
        user = _read(settings.credentials_dir / "username") or user
        password = _read(settings.credentials_dir / "password") or password
    if not user:
        raise InterfaceError("PG_CREDENTIALS_DIR holds no username")
    return user, password


def _read(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8").rstrip("\r\n") if file.exists() else None
    except UnicodeDecodeError:
        raise InterfaceError(f"{file} is not UTF-8") from None
