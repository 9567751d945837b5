"""How uvicorn's connections read requests and write answers, for both hosts that use uvicorn.

A connection hands httptools one head at a time, and finds the end of a body by itself. So httptools
never sees a byte that belongs to something else: no body that it takes for another protocol's
(Kludex/uvicorn#2722), no trailers, no second request. One request is read when the one before is
answered. tests/unit/test_uvicorn.py fails when uvicorn changes what is used of it here.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

import httptools
from uvicorn.protocols.http import auto
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from function.hosts import limits
from function.hosts.connections import Connections
from function.hosts.framing import ChunkedBody, FixedBody, Head
from function.hosts.refusals import INVALID, TOO_LARGE, TOO_MANY, TOO_SLOW, Refusal, check
from function.hosts.transport import ResponseTransport

ABSOLUTE_FORM = re.compile(rb"^https?://[^/?#]*/?", re.IGNORECASE)


class HttpProtocol(HttpToolsProtocol):
    """One connection."""

    draining = False

    def __init__(self, *args: Any, shared: Connections, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._shared = shared
        self._unread = b""
        self._eof = False
        self._refused = False
        self._unsent_since: float | None = None
        self._start_message()

    def _start_message(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self._head = Head()
        self._body: FixedBody | ChunkedBody | None = None
        self._refusal: Refusal | None = None

    def connection_made(self, transport: Any) -> None:
        if sock := transport.get_extra_info("socket"):
            # By default the kernel buffers up to 10 MB for a client that floods or does not read.
            for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
                sock.setsockopt(socket.SOL_SOCKET, option, limits.SOCKET_BUFFER)
        transport.set_write_buffer_limits(high=0)  # pause_writing is called when any byte waits
        stand_in: Any = ResponseTransport(transport, self.loop)
        super().connection_made(stand_in)
        self._wait(limits.HEAD_TIMEOUT)
        self._shared.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._shared.remove(self)
        self._unread = b""
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        self._unsent_since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._unsent_since = None
        super().resume_writing()

    def _wait(self, patience: float) -> None:
        """Wait for the client, at most so many seconds."""
        self._deadline = self.loop.time() + patience
        self._shared.wait(self)

    def check(self, now: float) -> None:
        """End the connection if its client is too slow."""
        if self._unsent_since and now - self._unsent_since >= limits.WRITE_TIMEOUT:
            self.transport.abort()
        elif self._unread or self._in_answer() or now < self._deadline:
            return
        elif self._head.size and not self._head.ended and not self._refused:
            self._refuse(TOO_SLOW)
        else:
            self.transport.close()

    def _in_answer(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not (cycle.response_complete or cycle.disconnected)

    def data_received(self, data: bytes) -> None:
        if not self._refused:
            self._unread += data
            self._read()

    def _read(self) -> None:
        """Take what has come, up to the end of one request."""
        try:
            while self._unread:
                if not (self._head.size or self._may_begin()):
                    self.transport.pause_reading()  # by `flow`, the application would resume it
                    return
                taken = self._take(self._unread)
                self._unread = self._unread[taken:]
                if self._refusal:
                    self._refuse(self._refusal)
        except httptools.HttpParserError:
            self._refuse(INVALID)

    def _may_begin(self) -> bool:
        """Tell whether a request may begin; if not, `go_on` is called when it may.

        The first one of a connection always may: probes make new connections.
        """
        first = self.cycle is None
        return first or (not self._in_answer() and self._shared.admit(self))

    def go_on(self) -> None:
        """Read on after a pause."""
        self._read()
        if not self._unread:
            self.transport.resume_reading()

    def _take(self, data: bytes) -> int:
        """Take bytes up to the end of the head or of the body, and return how many."""
        if self._body:
            taken = self._body.feed(data)
            ended = self._body.ended
        elif not self._head.size and data[0] in b"\r\n":
            return len(data) - len(data.lstrip(b"\r\n"))  # may come before: RFC 9112, 2.2
        else:
            taken = self._take_head(data)
            ended = self._head.ended and not (self._body or self._refusal)
        if ended:
            self._end_message()
        return taken

    def _take_head(self, data: bytes) -> int:
        if not self._head.size:
            self._deadline = self.loop.time() + limits.HEAD_TIMEOUT
        taken = self._head.feed(data)
        if self._head.size > limits.HEAD_LIMIT:
            self._refusal = TOO_LARGE
            return taken
        try:  # noqa: SIM105 - every request comes here
            self.parser.feed_data(data[:taken])
        except httptools.HttpParserUpgrade:
            pass  # the offer may be ignored: RFC 9110, 7.8
        if len(self.headers or ()) > limits.HEADER_LIMIT:
            self._refusal = TOO_LARGE
        return taken

    def on_headers_complete(self) -> None:
        """Begin the request; httptools calls it at the end of a head."""
        method, version = self.parser.get_method(), self.parser.get_http_version()
        fields = dict(self.headers)
        self._refusal = check(method, version, fields, self.headers)
        if self._shared.too_many and method not in {b"GET", b"HEAD"}:
            self._refusal = TOO_MANY
        if self._refusal:
            return
        if b"transfer-encoding" in fields:
            self._body = ChunkedBody(self.on_body, limits.HEAD_LIMIT)
        elif size := int(fields.get(b"content-length", 0)):
            self._body = FixedBody(self.on_body, size)
        if not self.url.startswith(b"/"):
            self.url = ABSOLUTE_FORM.sub(b"/", self.url)
        super().on_headers_complete()
        if self.draining:
            self.cycle.keep_alive = False

    def _should_upgrade(self) -> bool:
        return False

    def on_message_complete(self) -> None:
        """Do nothing: httptools sees no bodies here, so it can't tell."""

    def _end_message(self) -> None:
        super().on_message_complete()
        self._shared.serve(self)
        self._start_message()
        if not self._in_answer():
            self._wait(self._shared.keep_alive)

    def on_response_complete(self) -> None:
        """Go on after an answer; uvicorn calls it when it has written the last of one."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self._wait(limits.HEAD_TIMEOUT if self._body else self._shared.keep_alive)
        self.flow.resume_reading()
        if self._unread:
            self.go_on()
        if self._eof and not self._owes_answer():
            self.transport.close()

    def eof_received(self) -> bool:  # type: ignore[override] # uvicorn's returns nothing
        """Keep the connection open for a client that has sent all and still reads."""
        self._eof = True
        return self._owes_answer()

    def _owes_answer(self) -> bool:
        """Whether the client gets an answer without sending more."""
        return bool(self._unread) or (self._in_answer() and not self._body)

    def _refuse(self, refusal: Refusal) -> None:
        """Answer without the application, and leave the client time to read the answer."""
        self._refused = True
        self._unread = b""
        if self._in_answer():
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            if self.cycle.response_started:
                self.transport.close()
                return
        self.transport.write(refusal.response(self.server_state.default_headers))
        self.transport.write_eof()
        self._wait(limits.LINGER)


def make_protocol(keep_alive: float) -> Callable[..., HttpProtocol]:
    """Return what makes a connection's protocol, within the limits of this process."""
    limit = limits.connection_limit(limits.raise_descriptor_limit())
    return partial(HttpProtocol, shared=Connections(limit, keep_alive))


def install(keep_alive: float) -> None:
    """Let uvicorn choose this protocol where its own command starts it."""
    vars(auto)["AutoHTTPProtocol"] = make_protocol(keep_alive)
