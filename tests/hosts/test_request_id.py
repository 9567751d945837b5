"""Every answer has an X-Request-Id: the client's own if it is printable, or a new one."""

import json
import re
import uuid
from typing import Any

import pytest

from tests.instance import FEEDBACK, PATH, Instance
from tests.waiting import wait_until

PRINTABLE = "".join(map(chr, range(33, 127)))
OURS = re.compile(r"[0-9a-f]{32}")


def request_id_of(received: bytes) -> str:
    found = re.search(rb"\r\nx-request-id: ([^\r]*)\r\n", received, re.IGNORECASE)
    assert found
    return found[1].decode("latin-1")


def send(instance: Instance, value: bytes) -> bytes:
    return instance.raw(
        b"GET /health/startup HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"X-Request-Id: " + value + b"\r\n\r\n"
    )


@pytest.mark.parametrize(
    "given",
    [
        "1",
        "x" * 128,
        "req-42/a.b:c",
        'two words, "quoted" \\ {}',
        PRINTABLE,
    ],
)
def test_own_id(instance: Instance, given: str) -> None:
    """The client's own id is returned."""
    assert request_id_of(send(instance, given.encode())) == given


@pytest.mark.parametrize(
    "given",
    [
        b"",
        b"x" * 129,
        "caf\xe9".encode(),
        b"caf\xe9",
        b"a\tb",
        b"\xff",
        b"x" * 9000,
    ],
    ids=lambda given: ascii(given)[:20],
)
def test_replaced_id(instance: Instance, given: bytes) -> None:
    """An id that is not 1 to 128 printable ASCII characters is replaced."""
    assert OURS.fullmatch(request_id_of(send(instance, given)))


@pytest.mark.parametrize("given", [b"a\x01b", b"a\x7f", b"\x1b[31m"], ids=ascii)
def test_control_character(instance: Instance, host: str, given: bytes) -> None:
    """An id with a control character is never returned."""
    received = send(instance, given)

    if host == "knative":  # the other servers refuse it themselves
        assert OURS.fullmatch(request_id_of(received))
    else:
        assert received.startswith(b"HTTP/1.1 400 ")
        assert given not in received


def logged(instance: Instance, request_id: str) -> dict[str, Any]:
    """Return the request's line in the log, which is written just after its answer."""
    wait_until(lambda: request_id in instance.log)
    [line] = [event for event in instance.events() if event.get("request_id") == request_id]
    return line


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", PATH, json.dumps(FEEDBACK).encode(), 200),
        ("POST", PATH, b"{}", 400),
        ("GET", PATH, b"", 405),
        ("GET", "/nothing", b"", 404),
        ("POST", PATH, b" " * 65537, 413),
        ("GET", "/health/startup", b"", 200),
        ("GET", "/_/health", b"", 200),
        ("GET", "/health/ready", b"", 200),
        ("HEAD", "/_/ready", b"", 200),
        ("GET", "/openapi.json", b"", 200),
    ],
    ids=lambda value: ascii(value)[:20],
)
def test_answers_and_log(
    instance: Instance, method: str, path: str, body: bytes, status: int
) -> None:
    """Each answer and its line in the log have the id."""
    given = f"test-{uuid.uuid4()}"

    answer = instance.request(method, path, body, {"X-Request-Id": given})
    own = instance.request(method, path, body).headers["x-request-id"]
    another = instance.request(method, path, body).headers["x-request-id"]

    assert (answer.status, answer.headers["x-request-id"]) == (status, given)
    assert OURS.fullmatch(own)
    assert own != another
    for request_id in (given, own, another):
        line = logged(instance, request_id)
        assert (line["method"], line["path"], line["status"]) == (method, path, status)
        assert 0 < line["duration_ms"] < 30_000
