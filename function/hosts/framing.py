"""The parts of a request, wherever a packet ends: where its head and its body end, and its target.

https://www.rfc-editor.org/rfc/rfc9112#section-6
"""

import re
from collections.abc import Callable, Mapping

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from function.hosts.limits import HEAD_LIMIT

ABSOLUTE_FORM = re.compile(rb"^https?://[^/?#]*/?", re.IGNORECASE)
END = b"\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
SIZE = re.compile(rb"[0-9a-fA-F]+")


def origin_form(target: bytes) -> bytes:
    """Return the target of a request without the scheme and host that it may have."""
    return target if target.startswith(b"/") else ABSOLUTE_FORM.sub(b"/", target)


class FixedBody:
    """A body of as many bytes as Content-Length says."""

    __slots__ = ("_left", "_on_body", "ended")

    def __init__(self, on_body: Callable[[bytes], None], size: int) -> None:
        self._on_body = on_body
        self._left = size
        self.ended = False

    def feed(self, data: bytes) -> int:
        """Take bytes up to the body's end, and return how many."""
        body = data[: self._left]
        self._left -= len(body)
        self.ended = not self._left
        self._on_body(body)
        return len(body)


class ChunkedBody:
    """Decodes a chunked body with httptools, which gets no byte of what comes after it.

    Trailers are read and ignored: they must not become headers (RFC 9110, 6.5.1).
    """

    def __init__(self, on_body: Callable[[bytes], None], limit: int) -> None:
        """`limit` is that of a chunk's extensions, and of all trailers together, in bytes."""
        self.on_body = on_body
        self.ended = False
        self._limit = limit
        self._left = 0  # bytes of the chunk, with its CRLF
        self._line = b""  # the line with the size of a chunk; after the last, all trailers
        self._parser = HttpRequestParser(self)
        self._parser.feed_data(CHUNKED)

    def feed(self, data: bytes) -> int:
        """Take bytes up to the body's end, and return how many. Raises HttpParserError."""
        position = 0
        while position < len(data) and not self.ended:
            start = position
            if self._left:
                position = min(start + self._left, len(data))
                self._left -= position - start
            else:
                position = data.find(b"\n", start) + 1 or len(data)
                self._line += data[start:position]
                if len(self._line) > self._limit:
                    raise HttpParserError("a chunk's extensions, or the trailers, are too long")
            self._parser.feed_data(data[start:position])
        return position

    def on_chunk_header(self) -> None:
        """Begin a chunk; httptools calls it when it has accepted the line with the size."""
        digits = SIZE.match(self._line)
        assert digits
        size = int(digits[0], 16)
        self._left = size + len(b"\r\n") if size else 0
        self._line = b""

    def on_message_complete(self) -> None:
        """End; httptools calls it after the trailers."""
        self.ended = True


Body = FixedBody | ChunkedBody


def make_body(fields: Mapping[bytes, bytes], on_body: Callable[[bytes], None]) -> Body | None:
    """Return what decodes the body that the fields of a valid head announce."""
    if b"transfer-encoding" in fields:
        return ChunkedBody(on_body, HEAD_LIMIT)
    size = int(fields.get(b"content-length", 0))
    return FixedBody(on_body, size) if size else None


class Message:
    """The bytes of one request: httptools gets the head, and the protocol sets the `body`."""

    __slots__ = ("_head_ended", "_tail", "body", "ended", "head_size")

    def __init__(self) -> None:
        self.head_size = 0  # bytes so far
        self.body: Body | None = None
        self.ended = False
        self._head_ended = False
        self._tail = b""  # the last bytes of the head so far, in which END may have begun

    @property
    def in_head(self) -> bool:
        """Whether the head has begun and not ended."""
        return self.head_size > 0 and not self._head_ended

    def feed(self, data: bytes, parser: HttpRequestParser) -> bytes:
        """Take bytes up to the end of the head or of the body, and return the others.

        A head over HEAD_LIMIT is not parsed. Raises HttpParserError.
        """
        if self.body:
            taken = self.body.feed(data)
            self.ended = self.body.ended
        elif not self.head_size and data[0] in b"\r\n":  # RFC 9112, 2.2
            taken = len(data) - len(data.lstrip(b"\r\n"))
        else:
            taken = self._feed_head(data, parser)
            self.ended = self._head_ended and self.body is None
        return data[taken:]

    def _feed_head(self, data: bytes, parser: HttpRequestParser) -> int:
        window = self._tail + data if self._tail else data
        end = window.find(END)
        self._head_ended = end >= 0
        taken = end + len(END) - len(self._tail) if end >= 0 else len(data)
        self._tail = window[1 - len(END) :]
        self.head_size += taken
        if self.head_size <= HEAD_LIMIT:
            try:  # noqa: SIM105 - every request comes here
                parser.feed_data(data[:taken])
            except HttpParserUpgrade:
                pass  # the offer may be ignored: RFC 9110, 7.8
        return taken
