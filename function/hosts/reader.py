"""Reads requests from the bytes of a connection, wherever packets end.

httptools gets one head at a time, and the end of a body is found here. So httptools never sees a
byte that belongs to something else: a body of another protocol
(https://github.com/Kludex/uvicorn/issues/2722), trailers, or the next request.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from function.hosts import limits
from function.hosts.chunks import ChunkedBody
from function.hosts.refusals import INVALID, TOO_LARGE, Header, Refused, check

ASGI = {"version": "3.0", "spec_version": "2.3"}
ORIGIN = re.compile(rb"\Ahttps?://[^/?#]*/?", re.IGNORECASE)  # absolute form: RFC 9112, 3.2.2
Scope = dict[str, Any]

END = b"\r\n\r\n"
PIECE = 16 * 1024  # bytes of a head that are looked at together


class RequestReader:
    """Reads one request after another."""

    def __init__(
        self,
        on_head: Callable[..., object],
        on_body: Callable[[bytes], object],
        on_end: Callable[[], object],
    ) -> None:
        """`on_head` and `on_end` are called once per request, `on_body` for each part.

        `on_head` gets ASGI's scope and `keep_alive`.
        """
        self._on_head = on_head
        self._on_body = on_body
        self._on_end = on_end
        self._begin()

    def _begin(self) -> None:
        self._parser = HttpRequestParser(self)
        self.head_size = 0  # bytes that have come
        self._tail = b""
        self.in_head = True
        self._target = b""
        self._headers: list[Header] = []
        self._left = 0  # bytes of the body
        self._chunks: ChunkedBody | None = None

    def take(self, data: bytes) -> int:
        """Take bytes up to the end of a head, or of a body; return how many. Raises Refused."""
        try:
            return self._take_head(data[:PIECE]) if self.in_head else self._take_body(data)
        except HttpParserError:
            raise Refused(INVALID) from None

    def _take_head(self, data: bytes) -> int:
        if not self.head_size and data[0] in b"\r\n":  # empty lines may come before: RFC 9112, 2.2
            return len(data) - len(data.lstrip(b"\r\n"))
        window = self._tail + data
        end = window.find(END)
        taken = len(data) if end < 0 else end + len(END) - len(self._tail)
        self._tail = window[1 - len(END) :]
        self.head_size += taken
        if self.head_size > limits.HEAD_LIMIT:
            raise Refused(TOO_LARGE)
        self._feed(data[:taken])
        if len(self._headers) > limits.HEADER_LIMIT:
            raise Refused(TOO_LARGE)
        if not self.in_head:
            self._end_head()
        return taken

    def _feed(self, head: bytes) -> None:
        try:  # noqa: SIM105 - suppress() takes 1 us, of 40 that a request takes
            self._parser.feed_data(head)
        except HttpParserUpgrade:
            pass  # an offer, which a server may ignore: RFC 9110, 7.8

    def on_url(self, url: bytes) -> None:
        """Take a part of the target; httptools calls it."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; httptools calls it."""
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Note the end of the head; httptools calls it, and forgets `Connection` without a body."""
        self.in_head = False
        self._keep_alive = self._parser.should_keep_alive()

    def _end_head(self) -> None:
        fields = dict(self._headers)
        method, version = self._parser.get_method(), self._parser.get_http_version()
        check(method, version, fields, self._headers)
        if b"transfer-encoding" in fields:
            self._chunks = ChunkedBody(self._on_body, limits.HEAD_LIMIT)
        else:
            self._left = int(fields.get(b"content-length", 0))
        keep_alive = version == "1.1" and self._keep_alive
        self._on_head(self._scope(method, version), keep_alive=keep_alive)
        if not self._left and not self._chunks:
            self._end_message()

    def _scope(self, method: bytes, version: str) -> Scope:
        target = self._target
        if not target.startswith(b"/"):
            target = ORIGIN.sub(b"/", target)
        raw_path, _, query = target.partition(b"?")
        return {
            "type": "http",
            "asgi": ASGI,
            "http_version": version,
            "method": method.decode(),
            "scheme": "http",
            "path": unquote(raw_path.decode("ascii")),
            "raw_path": raw_path,
            "query_string": query,
            "root_path": "",
            "headers": self._headers,
        }

    def _take_body(self, data: bytes) -> int:
        if self._chunks:
            taken = self._chunks.feed(data)
        else:
            taken = min(self._left, len(data))
            self._left -= taken
            self._on_body(data[:taken])
        if self._chunks.ended if self._chunks else not self._left:
            self._end_message()
        return taken

    def _end_message(self) -> None:
        self._begin()
        self._on_end()
