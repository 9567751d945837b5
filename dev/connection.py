"""The first connection of `make run` and `make migrate`.

In production the migrate job waits for any error to pass, because a platform may create the role,
the database and the address while the job already runs. On a developer's machine most of these
errors are a mistake in DATABASE_URL, and no waiting corrects it.
"""

import errno
import socket
import ssl
import struct
import time
from collections.abc import Iterator
from queue import Empty, SimpleQueue
from threading import Thread

from dev.child import StopRequest
from dev.cluster import PostgresError
from function.migrate import PASSING
from function.postgres_settings import PostgresSettings
from function.store.connection import connect
from function.store.driver import DatabaseError, InterfaceError
from function.store.faults import describe, sqlstate

LIMIT = 8.0  # seconds; with all the rest `make run` ends within 10
PAUSE = 0.5  # seconds between two attempts

# A server that starts, restarts or is busy.
PASSING_ERRORS = (
    BrokenPipeError,
    ConnectionAbortedError,
    ConnectionRefusedError,
    ConnectionResetError,
    FileNotFoundError,  # the server's socket
    TimeoutError,
    ssl.SSLEOFError,
    struct.error,
)
UNREACHABLE = (errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH)

Outcome = Exception | None


def wait_for_connection(settings: PostgresSettings, stop: StopRequest) -> None:
    """Return when PostgreSQL has taken a connection.

    Raises PostgresError, at once for an error that waiting does not cure, and Stopped.
    """
    address = settings.address
    reason = ""
    for error in _outcomes(settings, stop):
        if error is None:
            return
        if reason != describe(error):
            reason = describe(error)
            print(f"No connection to PostgreSQL at {address}: {reason}", flush=True)
        if not may_pass(error):
            raise PostgresError("Waiting does not cure this: check DATABASE_URL and PG*.")
    raise PostgresError(
        f"{address}: no connection in {LIMIT:g} seconds. Check DATABASE_URL and PG*."
    )


def may_pass(error: Exception) -> bool:
    """Tell whether another attempt may succeed though nobody changes the configuration."""
    if isinstance(error, DatabaseError):
        return sqlstate(error).startswith(PASSING)
    if isinstance(error, InterfaceError):
        return str(error) == "network error"  # pg8000's words for a connection that ended
    if isinstance(error, socket.gaierror):
        return error.errno == socket.EAI_AGAIN
    return isinstance(error, PASSING_ERRORS) or getattr(error, "errno", None) in UNREACHABLE


def _outcomes(settings: PostgresSettings, stop: StopRequest) -> Iterator[Outcome]:
    """Yield the outcome of each attempt, None for success, for LIMIT seconds."""
    outcomes: SimpleQueue[Outcome] = SimpleQueue()
    # In a thread, because nothing interrupts the lookup of a host's name.
    Thread(target=_attempt_repeatedly, args=(settings, outcomes), daemon=True).start()
    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline:
        stop.check()
        try:
            yield outcomes.get(timeout=0.05)
        except Empty:
            continue


def _attempt_repeatedly(settings: PostgresSettings, outcomes: SimpleQueue[Outcome]) -> None:
    while True:
        try:
            connect(settings, LIMIT).close()
        except Exception as exc:  # noqa: BLE001 - the other thread reports it
            outcomes.put(exc)
            time.sleep(PAUSE)
        else:
            outcomes.put(None)
            return
