"""Answers that a connection gives without the application, in the form of its errors."""

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import NamedTuple

from function.http import memory
from function.metrics import REFUSALS

Header = tuple[bytes, bytes]


class Refusal(NamedTuple):
    """An answer to a request that does not reach the application; it ends the connection."""

    status: int
    code: str
    message: str
    headers: tuple[Header, ...] = ()

    def parts(self) -> tuple[int, list[Header], bytes]:
        """Return the status, the headers and the body."""
        REFUSALS.add(1, str(self.status))
        body = json.dumps({"code": self.code, "message": self.message}).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
            (b"x-request-id", b"%032x" % random.getrandbits(128)),
            *self.headers,
        ]
        return self.status, headers, body

    def response(self, more: Iterable[Header]) -> bytes:
        """Return the whole answer, with more headers."""
        status, headers, body = self.parts()
        line = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode()
        return line + b"".join(b"%b: %b\r\n" % one for one in [*more, *headers]) + b"\r\n" + body


class Refused(Exception):
    """The connection answers the request itself, and ends."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


INVALID = Refusal(400, "INVALID_REQUEST", "the request is not valid HTTP")
NO_HOST = Refusal(400, "INVALID_REQUEST", "a request must have exactly one Host")
TOO_SLOW = Refusal(408, "REQUEST_TIMEOUT", "the headers did not come within 10 seconds")
TOO_LARGE = Refusal(431, "HEADERS_TOO_LARGE", "the headers are over 64 KiB, or more than 100")
FAILED = Refusal(500, "INTERNAL_ERROR", "internal error")
CODING = Refusal(501, "INVALID_REQUEST", "only the chunked transfer coding is supported")
NO_ROOM = Refusal(503, "UNAVAILABLE", memory.NO_ROOM, ((b"retry-after", b"2"),))
TOO_MANY = Refusal(503, "UNAVAILABLE", "too many connections are open", ((b"retry-after", b"2"),))
VERSION = Refusal(505, "INVALID_REQUEST", "only versions 1.1 and 1.0 of HTTP are supported")


def check(
    method: bytes, version: str, fields: Mapping[bytes, bytes], headers: Sequence[Header]
) -> None:
    """Raise Refused for a head that httptools has accepted; `fields` are its `headers`."""
    if version not in {"1.0", "1.1"}:
        raise Refused(VERSION)
    if method == b"CONNECT":
        raise Refused(INVALID)
    if b"host" not in fields and version == "1.1":
        raise Refused(NO_HOST)
    if len(fields) < len(headers) and sum(name == b"host" for name, _ in headers) > 1:
        raise Refused(NO_HOST)
    if b"transfer-encoding" in fields:
        codings = [value.strip().lower() for name, value in headers if name == b"transfer-encoding"]
        if version == "1.0":  # its framing is faulty: RFC 9112, 6.1
            raise Refused(INVALID)
        if codings != [b"chunked"]:
            raise Refused(CODING)
