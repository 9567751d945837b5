"""One request on a connection, and its answer: what an ASGI application receives and sends.

https://asgi.readthedocs.io/en/latest/specs/www.html
"""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING

from function.hosts.limits import body_timeout
from function.hosts.reader import Scope
from function.hosts.refusals import FAILED, Header
from function.http.asgi import Application, Message

if TYPE_CHECKING:
    from function.hosts.protocol import HttpProtocol

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
STATUS_LINES = {
    status.value: b"HTTP/1.1 %d %b\r\n" % (status, status.phrase.encode()) for status in HTTPStatus
}

log = logging.getLogger("function.hosts.exchange")


class Exchange:
    """Holds the body until the application receives it, and the head until there is a body."""

    def __init__(self, client: HttpProtocol, scope: Scope, *, keep_alive: bool) -> None:
        self._client = client
        self._scope = scope
        self.keep_alive = keep_alive
        self._continued = False
        self._body = b""
        self._whole = False  # all of the body has come
        self._received = False  # the application has all of it
        self._wakeup: asyncio.Future[None] | None = None
        self._head = b""
        self.started = False
        self._late = False  # the body has not come in time
        self._ended = False  # all of the answer is written, or there is no client to read it

    async def run(self, app: Application) -> None:
        """Have the application answer. It answers its own failures, so any other is a bug."""
        try:
            await app(self._scope, self.receive, self.send)
        except Exception:
            log.exception("internal error")
        finally:  # a callback of the task would take a turn of the loop
            self._client.state.tasks.discard(asyncio.current_task())
        if not self._ended:
            self._client.refuse(FAILED)

    def feed(self, part: bytes) -> int:
        """Take a part of the body; return how many bytes the application has not received."""
        self._body += part
        self._wake()
        return len(self._body)

    def time_out(self) -> None:
        """Have the application answer that the body has not come in time."""
        self._late = True
        self._wake()

    def complete(self) -> None:
        """Note that the body is complete."""
        self._whole = True
        self._wake()

    def end(self) -> None:
        """Note that the answer is complete, or that the client is gone."""
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        if self._wakeup and not self._wakeup.done():
            self._wakeup.set_result(None)

    async def receive(self) -> Message:
        """Return the next part of the body; after the last one, wait for the end.

        Raises BodyTimeout.
        """
        while not self._ended and (self._received or not (self._body or self._whole)):
            if self._late:
                raise body_timeout()
            if not self._whole:
                self._client.resume_reading()
            if self._expected():
                self._client.transport.write(CONTINUE)
                self._continued = True
            self._wakeup = asyncio.get_running_loop().create_future()
            await self._wakeup
        if self._ended:
            return {"type": "http.disconnect"}
        body, self._body = self._body, b""
        self._received = self._whole
        return {"type": "http.request", "body": body, "more_body": not self._whole}

    def _expected(self) -> bool:
        """Whether the client waits for 100 before it sends the body: RFC 9110, 10.1.1."""
        if self._whole or self._continued or self._scope["http_version"] == "1.0":
            return False
        expected = (value for name, value in self._scope["headers"] if name == b"expect")
        return next(expected, b"").lower() == b"100-continue"

    async def send(self, message: Message) -> None:
        """Write a part of the answer, when the client has taken most of the parts before."""
        if self._client.blocked:
            await self._client.blocked
        if self._ended:
            return
        if message["type"] == "http.response.start":
            self._head = self._make_head(message["status"], message["headers"])
            return
        self._client.transport.write(self._head + message.get("body", b""))
        self._head, self.started = b"", True
        if not message.get("more_body", False):
            self.end()
            self._client.end_exchange(keep_alive=self.keep_alive)

    def _make_head(self, status: int, headers: list[Header]) -> bytes:
        """Make the head. The connection ends if the client can't know where the answer ends.

        Also if the client still waits for 100 Continue, because it may send the body or not.
        """
        fields = dict(headers)
        unclear = b"content-length" not in fields or b"connection" in fields or self._expected()
        if unclear or self._client.draining:
            self.keep_alive = False
        if not self.keep_alive and b"connection" not in fields:
            headers = [*headers, (b"connection", b"close")]
        headers = [*self._client.state.default_headers, *headers]
        lines = b"".join([b"%b: %b\r\n" % header for header in headers])
        if lines.count(b"\n") != len(headers) or lines.count(b"\r") != len(headers):
            raise ValueError("a header has a line break")
        return b"%b%b\r\n" % (STATUS_LINES[status], lines)
