"""The chunked coding of a body, and where it ends.

https://www.rfc-editor.org/rfc/rfc9112#section-7.1
"""

from collections.abc import Callable

from httptools import HttpParserError, HttpRequestParser

HEAD = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"


class ChunkedBody:
    """Decodes a body with httptools, which gets no byte of what comes after it.

    Trailers are read and ignored: they must not become headers (RFC 9110, 6.5.1).
    """

    def __init__(self, on_body: Callable[[bytes], object], limit: int) -> None:
        """`limit` is that of a chunk's extensions, and of all trailers together, in bytes."""
        self.on_body = on_body
        self.ended = False
        self._limit = limit
        self._left = 0  # bytes of the chunk, with its CRLF
        self._line = b""  # the line with the size of a chunk; after the last, all trailers
        self._parser = HttpRequestParser(self)
        self._parser.feed_data(HEAD)

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
        size = int(self._line.partition(b";")[0], 16)
        self._left = size + len(b"\r\n") if size else 0
        self._line = b""

    def on_message_complete(self) -> None:
        """End; httptools calls it after the trailers."""
        self.ended = True
