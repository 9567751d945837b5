"""Requests with a few changed bytes are answered or refused, and cause no internal error."""

import json
import random
import re
import socket
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.instance import FEEDBACK, PATH, Instance

COUNT = 7_000  # requests per host
PATIENCE = 0.5  # seconds; a request that lost bytes gets no answer
BODY = json.dumps(FEEDBACK)
EVENT = {"specversion": "1.0", "id": "1", "source": "/a%20b", "type": "mentor.feedback.submitted"}
BINARY = "".join(f"ce-{name}: {value}\r\n" for name, value in EVENT.items())
STRUCTURED = "Content-Type: application/cloudevents+json\r\n"
DOCUMENT = json.dumps({**EVENT, "data": FEEDBACK})
CHUNKED = f"{len(BODY):x};x=y\r\n{BODY}\r\n0\r\n\r\n"
KINDS = [
    f"Idempotency-Key: KEY\r\nContent-Length: {len(BODY)}\r\n\r\n{BODY}",
    f"{BINARY}Content-Length: {len(BODY)}\r\n\r\n{BODY}",
    f"{STRUCTURED}Content-Length: {len(DOCUMENT)}\r\n\r\n{DOCUMENT}",
    f"Accept: application/problem+json;q=0.5\r\nTransfer-Encoding: chunked\r\n\r\n{CHUNKED}",
]
TOKENS = [b"\r\n", b"\n", b"\0", b"%", b"%E9", b'"', b"\xff", b"[" * 600, b"\\ud800", b"9" * 30]
STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")

pytestmark = pytest.mark.clients


def mutated(number: int, host: str) -> bytes:
    """Return a mutated request, the same in each run."""
    choose = random.Random(f"{host} {number}")  # noqa: S311 - not a secret
    text = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\n{choose.choice(KINDS)}"
    request = text.replace("KEY", str(number)).encode()
    for _ in range(choose.randint(1, 4)):
        start = choose.randrange(len(request))
        end = min(len(request), start + choose.choice([0, 0, 1, 1, 2, 8]))
        change = choose.choice([b"", request[start:end] * 2, choose.choice(TOKENS)])
        request = request[:start] + change + request[end:]
    return request


def status_of(instance: Instance, request: bytes) -> int:
    """Return the status of the first answer, or 0 if there is none."""
    with socket.create_connection(("127.0.0.1", instance.port), timeout=30) as client:
        try:
            client.sendall(request)
            client.settimeout(PATIENCE)
            found = STATUS.match(client.recv(65536))
        except (TimeoutError, ConnectionError):
            return 0
        return int(found[1]) if found else 0


def test_mutated_requests(instance: Instance, host: str) -> None:
    """No mutated request causes a 5xx, except 501 and 505 for unknown protocols."""
    requests = (mutated(number, host) for number in range(COUNT))
    with ThreadPoolExecutor(16) as pool:
        seen = Counter(pool.map(lambda request: status_of(instance, request), requests))

    assert {200, 400} <= set(seen)
    # RFC 9110, section 15.6: an unknown method or version.
    assert {status for status in seen if status >= 500} <= {501, 505}, seen
    assert instance.post({**FEEDBACK, "student_id": str(uuid.uuid4())}).status == 200
    assert [line for line in instance.events() if "stack" in line] == []
