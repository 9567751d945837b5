"""Whitespace around a header's value is not part of it: RFC 9110, section 5.5."""

import json
from collections.abc import Mapping

import pytest

from tests.hosts.conftest import Rows
from tests.hosts.events import binary_headers
from tests.instance import FEEDBACK, PATH, Instance


def post(instance: Instance, student: str, headers: Mapping[str, str], padding: str) -> bytes:
    """Send feedback with this padding around each value of these headers."""
    body = json.dumps({**FEEDBACK, "student_id": student})
    lines = {"Host": "localhost", "Content-Length": str(len(body)), "Connection": "close"}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    head += "".join(f"{name}:{padding}{value}{padding}\r\n" for name, value in headers.items())
    return instance.stalled(f"POST {PATH} HTTP/1.1\r\n{head}\r\n{body}".encode())


HEADERS = {
    "a key": {"Idempotency-Key": "k"},
    "an event in binary mode": {**binary_headers(), "Content-Type": "application/json"},
}


@pytest.mark.parametrize("headers", HEADERS.values(), ids=HEADERS)
@pytest.mark.parametrize("padding", [" ", "\t", " \t  "], ids=ascii)
def test_whitespace(
    instance: Instance, student: str, rows: Rows, headers: Mapping[str, str], padding: str
) -> None:
    """A key or an event's attributes are the same with and without whitespace around them."""
    first = post(instance, student, headers, "")
    second = post(instance, student, headers, padding)

    assert (first.split()[1], second.split()[1]) == (b"200", b"200")
    assert b"idempotency-replayed: true" in second.lower()
    assert len(rows(student)) == 1


@pytest.mark.parametrize("padding", [" ", "\t"], ids=ascii)
def test_request_id(instance: Instance, student: str, padding: str) -> None:
    """X-Request-Id is returned without the whitespace."""
    received = post(instance, student, {"X-Request-Id": "mine", "traceparent": ""}, padding)

    assert b"\r\nx-request-id: mine\r\n" in received.lower()
