"""A load for the dashboards: students, repeats, a mistake now and then, and probes."""

import json
import random
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException

from dev.ports import HOST

PATH = "/api/v1/feedback"
MESSAGES = (
    "This is too hard",
    "I got it at once",
    "What is a common denominator?",
    "Boring, we did this last year",
)
CLIENTS = 8
PAUSE = 0.2  # seconds between two requests of a client, on average
LIMIT = 600.0  # seconds: a load that was left alone must not fill the disk


@contextmanager
def loading(port: int) -> Iterator[None]:
    """Send requests to the function until the end of the block, or for LIMIT."""
    end = threading.Event()
    deadline = time.monotonic() + LIMIT
    clients = [
        threading.Thread(target=_send, args=[port, number, end, deadline], daemon=True)
        for number in range(CLIENTS)
    ]
    for client in clients:
        client.start()
    try:
        yield
    finally:
        end.set()
        for client in clients:
            client.join(10)


def feedback(message: str) -> bytes:
    """The body of a request, for a new student."""
    fields = {"student_id": str(uuid.uuid4()), "task_id": "task-123", "message": message}
    return json.dumps(fields).encode()


def _send(port: int, number: int, end: threading.Event, deadline: float) -> None:
    chance = random.Random(number)  # noqa: S311 - no secret
    while not end.wait(chance.uniform(0, 2 * PAUSE)) and time.monotonic() < deadline:
        connection = HTTPConnection(HOST, port, timeout=30)
        try:
            for method, path, body, headers in _requests(chance):
                connection.request(method, path, body, headers)
                connection.getresponse().read()
        except (OSError, HTTPException):  # the function is down; the next request tries again
            pass
        finally:
            connection.close()


def _requests(
    chance: random.Random,
) -> Iterator[tuple[str, str, bytes | None, dict[str, str]]]:
    body = feedback(chance.choice(MESSAGES))
    what = chance.random()
    if what < 0.1:  # a repeat
        key = {"Idempotency-Key": str(chance.random())}
        yield "POST", PATH, body, key
        yield "POST", PATH, body, key
    elif what < 0.13:
        yield "POST", PATH, b"{}", {}
    elif what < 0.2:
        yield "GET", "/health/ready", None, {}
    else:
        yield "POST", PATH, body, {}
