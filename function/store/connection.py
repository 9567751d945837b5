"""One way to connect to PostgreSQL, for the store and for the migrate job.

A pooler may stand in between that gives each transaction another of its connections, as PgBouncer
does. It is found out, not configured, for what it breaks it breaks by chance, and under load.
"""

import socket
import ssl
import struct
import threading
import time
from contextlib import closing, suppress
from pathlib import Path

from function.postgres_settings import PostgresSettings
from function.store.driver import (
    CONNECTION_ERRORS,
    DatabaseError,
    InterfaceError,
    Session,
    sqlstate,
)
from function.store.sockets import Address, find_addresses, open_socket

CANCEL_REQUEST = 80877102
# The server ends a statement at its limit, so this much of it passes only when it does not answer.
PATIENCE = 1.1
# Whether to speak TLS, first and second; with any other sslmode always.
TLS = {"disable": (False,), "allow": (False, True), "prefer": (True, False)}
SCRAM_FAILED = (
    "SCRAM failed: the server offers another method or can't prove that it knows the password, or"
    " the password has characters that SCRAM does not take"
)
NO_ENTRY = "28000"  # no entry in pg_hba.conf for this user, database and encryption


def connect(settings: PostgresSettings, statement_timeout: float, *, skip: int = 0) -> Session:
    """Open a connection whose statements end within `statement_timeout` seconds.

    The server cancels a statement at the limit (SQLSTATE 57014), unless the session is pooled; for
    a server that does not answer at all the socket raises TimeoutError a little later.

    The addresses of the hosts share connect_timeout. They are tried in order, and the first `skip`
    of them last. Raises the last one's error: DatabaseError when PostgreSQL refuses, one of
    CONNECTION_ERRORS when it can't be reached.
    """
    addresses = find_addresses(settings)
    deadline = time.monotonic() + settings.connect_timeout
    first = skip % len(addresses)
    addresses = addresses[first:] + addresses[:first]
    while True:
        share = max(0.1, deadline - time.monotonic()) / len(addresses)
        try:
            return _open(settings, addresses.pop(0), share, statement_timeout)
        except (DatabaseError, *CONNECTION_ERRORS):
            if not addresses:
                raise


def _open(
    settings: PostgresSettings, address: Address, timeout: float, statement_timeout: float
) -> Session:
    """Try with TLS and without, in the order of sslmode."""
    deadline = time.monotonic() + timeout
    first, *others = TLS.get(settings.sslmode, (True,))
    try:
        return _authenticate(settings, address, deadline, statement_timeout, tls=first)
    except (DatabaseError, ssl.SSLError) as exc:
        if not others or sqlstate(exc) not in ("", NO_ENTRY):
            raise
    return _authenticate(settings, address, deadline, statement_timeout, tls=others[0])


def _authenticate(
    settings: PostgresSettings,
    address: Address,
    deadline: float,
    statement_timeout: float,
    *,
    tls: bool,
) -> Session:
    user, password = credentials(settings)
    sock = open_socket(settings, address, max(0.01, deadline - time.monotonic()), tls=tls)
    options = {"options": settings.options} if settings.options else {}
    try:
        session = Session(
            user,
            channel_binding=settings.channel_binding,
            password=password or "",  # of None pg8000 makes an AttributeError, if one is asked for
            host=address.host.name,
            database=settings.database or user,
            application_name=settings.application_name,
            startup_params={"client_encoding": "UTF8", **options},  # else it is the database's own
            ssl_context=False,
            sock=sock,
        )
        try:
            sock.settimeout(statement_timeout * PATIENCE)
            session.limit_statements(statement_timeout)
            session.require_attributes(settings.target_session_attrs)
        except BaseException:
            session.abandon()
            raise
    except BaseException as exc:
        sock.close()
        if type(exc).__module__.startswith("scramp"):
            raise InterfaceError(SCRAM_FAILED) from exc
        raise
    session.address = address
    return session


def cancel(settings: PostgresSettings, session: Session) -> None:
    """Cancel the session's statement, then close it, in a thread; returns at once.

    A backend that waits for a standby hears nothing else: not its time limit, not that its client
    is gone. PgBouncer forgets whom to cancel when the client is gone, so the session goes last.
    https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-CANCELING-REQUESTS
    """
    thread = threading.Thread(target=_cancel, args=(settings, session), name="cancel")
    try:
        thread.start()  # not a daemon: the process waits for it
    except RuntimeError:  # no more threads can be had
        session.close()


def _cancel(settings: PostgresSettings, session: Session) -> None:
    key = session.cancel_key
    with (
        suppress(OSError),  # a server that can't be reached has lost the session, too
        closing(session),
        closing(_socket_beside(settings, session)) as sock,
    ):
        sock.sendall(struct.pack("!ii", 8 + len(key), CANCEL_REQUEST) + key)
        sock.recv(1)  # it closes the connection when it has done it


def _socket_beside(settings: PostgresSettings, session: Session) -> socket.socket:
    timeout = settings.connect_timeout
    return open_socket(settings, session.address, timeout, tls=session.encrypted)


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
