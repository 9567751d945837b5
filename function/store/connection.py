"""Connects to PostgreSQL, for the store and for the migrate job, and cancels statements.

A pooler like PgBouncer may give each transaction another connection. The store detects it: a
pooler that nobody configured would make statements fail only now and then, under load.
"""

import socket
import ssl
import struct
import threading
import time
from collections import deque
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

from function.postgres_settings import PostgresSettings
from function.store.driver import (
    CONNECTION_ERRORS,
    DatabaseError,
    InterfaceError,
    Session,
    set_limit,
)
from function.store.faults import sqlstate
from function.store.sockets import Address, find_addresses, open_socket
from function.store.stream import Stream

CANCEL_REQUEST = 80877102
# The server ends a statement at its limit; so much of it passes only when it does not answer.
PATIENCE = 1.1
# Whether to use TLS, first and second; always with any other sslmode.
TLS = {"disable": (False,), "allow": (False, True), "prefer": (True, False)}
NO_ENTRY = "28000"  # no entry in pg_hba.conf for this user, database and encryption


def connect(settings: PostgresSettings, statement_timeout: float, *, skip: int = 0) -> Session:
    """Open a connection whose statements end within `statement_timeout` seconds.

    The server cancels a statement at the limit (SQLSTATE 57014), unless the session is pooled.
    When the server does not answer at all, the socket raises TimeoutError.

    The addresses of the hosts share connect_timeout. They are tried in order, and the first `skip`
    of them last. Raises the last one's error: DatabaseError when PostgreSQL refuses, one of
    CONNECTION_ERRORS when it can't be reached.
    """
    user, password = credentials(settings)
    settings = replace(settings, user=user, password=password)
    addresses = deque(find_addresses(settings))
    addresses.rotate(-skip)
    last = time.monotonic() + settings.connect_timeout
    while True:
        now = time.monotonic()
        deadline = now + max(0.1, last - now) / len(addresses)
        try:
            return _open(settings, addresses.popleft(), deadline, statement_timeout)
        except (DatabaseError, *CONNECTION_ERRORS):
            if not addresses:
                raise


def _open(
    settings: PostgresSettings, address: Address, deadline: float, statement_timeout: float
) -> Session:
    """Try with TLS and without, in the order of sslmode."""
    first, *second = TLS.get(settings.sslmode, (True,))
    try:
        sock = open_socket(settings, address, deadline, tls=first)
        return _log_in(settings, address, sock, statement_timeout)
    except (DatabaseError, ssl.SSLError) as exc:
        if not second or sqlstate(exc) not in ("", NO_ENTRY):
            raise
    sock = open_socket(settings, address, deadline, tls=second[0])
    return _log_in(settings, address, sock, statement_timeout)


def _log_in(
    settings: PostgresSettings, address: Address, sock: socket.socket, statement_timeout: float
) -> Session:
    """Open a session over the socket, which is closed if that fails."""
    options = {"options": settings.options} if settings.options else {}
    with ExitStack() as on_failure:
        on_failure.enter_context(sock)
        session = Session(
            settings.user,
            channel_binding=settings.channel_binding,
            password=settings.password or "",  # None makes pg8000 raise AttributeError
            database=settings.database or settings.user,
            application_name=settings.application_name,
            startup_params={"client_encoding": "UTF8", **options},  # else it is the database's own
            ssl_context=False,
            sock=sock,
        )
        on_failure.callback(session.abandon)
        session.address = address
        session.database = settings.database or settings.user or ""
        set_up(session, statement_timeout, settings.target_session_attrs)
        on_failure.pop_all()
    sock.settimeout(max(settings.connect_timeout, statement_timeout * PATIENCE))
    return session


def set_up(session: Session, statement_timeout: float, target: str) -> None:
    """Limit the session's statements, unless a pooler shares it; check what server it is.

    The greeting names PostgreSQL's process, but a pooler invents one. PgBouncer refuses the limit
    as a startup parameter, and SET would reach the next client of its connection. So one statement
    sets the limit only where the processes agree.
    """
    process = int.from_bytes(session.cancel_key[:4], signed=True)
    limit = set_limit(statement_timeout, "false")
    [[limited, standby, read_only]] = session.run(
        f"SELECT CASE pg_backend_pid() WHEN {process} THEN {limit} END, pg_is_in_recovery(),"
        " current_setting('transaction_read_only') = 'on'"
    )
    session.statement_timeout = statement_timeout
    session.pooled = limited is None
    if target != "any" and (standby or (target == "read-write" and read_only)):
        raise InterfaceError(f"the server is not what target_session_attrs={target} demands")


def disconnect(settings: PostgresSettings, session: Session, stream: Stream) -> None:
    """Close the connection. If a statement is under way, cancel it first, in a thread.

    A backend that waits for a standby ignores its time limit and the end of its client. PgBouncer
    forgets whom to cancel when the client closes, so the connection is closed last.
    https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-CANCELING-REQUESTS
    """
    if not stream.unanswered:
        stream.close()
        return
    arguments = (settings, session, stream.leave())
    try:  # not a daemon: the process waits for it
        threading.Thread(target=_cancel, args=arguments, name="cancel").start()
    except RuntimeError:  # the limit of threads is reached
        stream.close()


def _cancel(settings: PostgresSettings, session: Session, connected: socket.socket) -> None:
    key = session.cancel_key
    deadline = time.monotonic() + settings.connect_timeout
    with (
        suppress(OSError),
        connected,
        open_socket(settings, session.address, deadline, tls=session.encrypted) as sock,
    ):
        sock.sendall(struct.pack("!ii", 8 + len(key), CANCEL_REQUEST) + key)
        sock.recv(1)  # the server closes the connection when it is done


def credentials(settings: PostgresSettings) -> tuple[str, str | None]:
    """User and password, from their files if they exist: rotated ones need no restart.

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
