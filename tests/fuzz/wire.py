"""Our readers of HTTP beside h11, another well-known one: where both accept, they read the same."""

from collections.abc import Iterable
from typing import NamedTuple

import h11
from httptools import HttpParserError

from function.hosts import limits
from function.hosts.chunks import ChunkedBody
from function.hosts.reader import ORIGIN, RequestReader, Scope
from function.hosts.refusals import Refused

CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


class Read(NamedTuple):
    """One whole request; the names of headers are in lower case."""

    method: bytes
    target: tuple[bytes, bytes]  # path and query
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


def chunks(data: bytes) -> None:
    """The body of a chunked request; each split in two must read the same."""
    whole = _decode([data])
    middle = len(data) // 2
    assert _decode([data[:middle], data[middle:]]) == whole
    assert _decode([data[place : place + 1] for place in range(len(data))]) == whole
    theirs = _read_by_h11(CHUNKED + data)
    if whole and theirs:
        assert whole[0] == theirs[0].body, (whole, theirs)


def head(data: bytes) -> None:
    """The first request of a connection."""
    ours, theirs = _read(data), _read_by_h11(data)
    if ours and theirs:
        assert ours[0] == theirs[0], (ours[0], theirs[0])


def _decode(parts: list[bytes]) -> tuple[bytes, int] | None:
    """The body and what it took; None where it has no end or is refused."""
    found: list[bytes] = []
    chunked = ChunkedBody(found.append, limits.HEAD_LIMIT)
    taken = 0
    try:
        for part in parts:
            if not chunked.ended:
                taken += chunked.feed(part)
    except HttpParserError:
        return None
    return (b"".join(found), taken) if chunked.ended else None


def _read(data: bytes) -> list[Read]:
    """The requests up to the first one that is refused."""
    found: list[Read] = []
    scope: Scope = {}
    body: list[bytes] = []

    def on_head(new: Scope, *, keep_alive: bool) -> None:
        scope.update(new)
        body.clear()

    def on_end() -> None:
        target = scope["raw_path"], scope["query_string"]
        headers = _without_framing(scope["headers"])
        found.append(Read(scope["method"].encode(), target, headers, b"".join(body)))

    reader = RequestReader(on_head, body.append, on_end)
    try:
        while data and not found:
            data = data[reader.take(data) :]
    except Refused:
        pass
    return found


def _without_framing(headers: Iterable[tuple[bytes, bytes]]) -> tuple[tuple[bytes, bytes], ...]:
    """Leave out what h11 rewrites; the body shows how each reads it."""
    framing = (b"content-length", b"transfer-encoding")
    return tuple((name, value.strip(b" \t")) for name, value in headers if name not in framing)


def _read_by_h11(data: bytes) -> list[Read]:
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=limits.HEAD_LIMIT)
    connection.receive_data(data.lstrip(b"\r\n"))
    request, body = None, b""
    try:
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage) and request:
                headers = _without_framing(request.headers)
                path, _, query = ORIGIN.sub(b"/", request.target).partition(b"?")
                return [Read(request.method, (path, query), headers, body)]
            else:
                return []
    except h11.RemoteProtocolError:
        return []
