"""Requests are read alike wherever packets end."""

from collections.abc import Iterator

import pytest

from function.hosts.limits import HEAD_LIMIT, HEADER_LIMIT
from function.hosts.reader import RequestReader, Scope
from function.hosts.refusals import (
    CODING,
    INVALID,
    NO_HOST,
    TOO_LARGE,
    VERSION,
    Refusal,
    Refused,
)

Request = tuple[str, str, bytes]  # method, path, body


def read(parts: Iterator[bytes]) -> list[Request]:
    """Return the requests whose ends were found."""
    found: list[Request] = []
    scope: Scope = {}
    body = b""

    def on_head(new: Scope, *, keep_alive: bool) -> None:
        nonlocal body
        scope.update(new)
        body = b""

    def on_body(part: bytes) -> None:
        nonlocal body
        body += part

    def on_end() -> None:
        found.append((scope["method"], scope["path"], body))

    reader = RequestReader(on_head, on_body, on_end)
    for part in parts:
        unread = part
        while unread:
            unread = unread[reader.take(unread) :]
    return found


def halves(data: bytes) -> Iterator[Iterator[bytes]]:
    for place in range(1, len(data)):
        yield iter((data[:place], data[place:]))


def bytes_of(data: bytes) -> Iterator[bytes]:
    return (data[place : place + 1] for place in range(len(data)))


PLAIN = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
CHUNKED = (
    b"POST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3;name=value\r\nabc\r\nA\r\n0123456789\r\n0\r\nHost: trailer\r\n\r\n"
)
OFFER = (
    b"POST /c HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
    b"Content-Length: 38\r\n\r\nGET /inner HTTP/1.1\r\nHost: inner\r\n\r\n.."
)
ABSOLUTE = b"GET http://host/d%20e?q HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (PLAIN, [("POST", "/a", b"abc")]),
        (CHUNKED, [("POST", "/b", b"abc0123456789")]),
        (OFFER, [("POST", "/c", b"GET /inner HTTP/1.1\r\nHost: inner\r\n\r\n..")]),
        (ABSOLUTE, [("GET", "/d e", b"")]),
        (b"\r\n\r\n" + PLAIN + CHUNKED, [("POST", "/a", b"abc"), ("POST", "/b", b"abc0123456789")]),
    ],
    ids=["length", "chunked", "offer of an upgrade", "absolute form", "two"],
)
def test_a_split_changes_nothing(data: bytes, expected: list[Request]) -> None:
    """Every split in two, and single bytes."""
    assert read(bytes_of(data)) == expected
    for parts in halves(data):
        assert read(parts) == expected


@pytest.mark.parametrize(
    ("data", "refusal"),
    [
        (b"nonsense\r\n\r\n", INVALID),
        (b"\x16\x03\x01\x02\x00", INVALID),
        (b"GET / HTTP/1.1\r\n\r\n", NO_HOST),
        (b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", NO_HOST),
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", VERSION),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", CODING),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"a: b\r\n" * HEADER_LIMIT + b"\r\n", TOO_LARGE),
        (b"GET / HTTP/1.1\r\nHost: x\r\na: " + b"b" * HEAD_LIMIT, TOO_LARGE),
    ],
)
def test_a_refusal_does_not_depend_on_a_split(data: bytes, refusal: Refusal) -> None:
    """The first byte that is wrong is enough, and no split hides it."""
    for parts in (iter((data,)), bytes_of(data)):
        with pytest.raises(Refused) as caught:
            read(parts)
        assert caught.value.refusal == refusal
