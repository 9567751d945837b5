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
from typing import Any, ClassVar

import httptools
from uvicorn.protocols.http import auto
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from function.hosts import limits
from function.hosts.chunks import ChunkedBody
from function.hosts.refusals import INVALID, TOO_LARGE, TOO_MANY, TOO_SLOW, Refusal, check
from function.hosts.transport import ResponseTransport

ABSOLUTE_FORM = re.compile(rb"https?://[^/?#]*", re.IGNORECASE)
END = b"\r\n\r\n"
PIECE = 16 * 1024  # bytes that are looked at together
TICK = 1.0  # seconds


class Flow(FlowControl):
    """uvicorn's, which would read on when the application asks for more of a complete body."""

    full = False

    def resume_reading(self) -> None:
        if not self.full:
            super().resume_reading()


class HttpProtocol(HttpToolsProtocol):
    """One connection. It is `_incomplete` while a request of it is not, and can be closed then."""

    draining = False
    _incomplete: ClassVar[dict[HttpProtocol, None]] = {}  # the longest one first

    def __init__(self, *args: Any, most: int, keep_alive: float, **kwargs: Any) -> None:
        """At most `most` connections are open; one that is idle ends after `keep_alive` seconds."""
        super().__init__(*args, **kwargs)
        self._most = most
        self._keep_alive = keep_alive
        self._unread = b""
        self._taken = 0  # bytes of it
        self._eof = False
        self._refused = False
        self._unsent = 0  # bytes, at the last tick
        self._stuck = 0  # ticks in which nothing was sent
        self._start_head()

    def _start_head(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self._head_size = 0
        self._tail = b""
        self._refusal: Refusal | None = None
        self._in_head = True
        self._left = 0
        self._chunks: ChunkedBody | None = None

    def connection_made(self, transport: Any) -> None:
        if sock := transport.get_extra_info("socket"):
            # Else the kernel keeps up to 10 MB for a client that floods, or doesn't read.
            for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
                sock.setsockopt(socket.SOL_SOCKET, option, limits.SOCKET_BUFFER)
        stand_in: Any = ResponseTransport(transport, self.loop)
        super().connection_made(stand_in)
        self.flow: Flow = Flow(stand_in)
        if len(self.connections) > self._most and self._incomplete:
            longest = next(iter(self._incomplete))
            del self._incomplete[longest]
            longest.transport.abort()
        self._wait(limits.HEAD_TIMEOUT)
        self._timer = self.loop.call_later(TICK, self._tick)

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        self._incomplete.pop(self, None)
        self._unread = b""
        super().connection_lost(exc)

    def _wait(self, patience: float) -> None:
        """Wait for the client, at most so many seconds."""
        self._deadline = self.loop.time() + patience
        self._incomplete[self] = None

    def _tick(self) -> None:
        """Look whether the client is too slow."""
        self._timer = self.loop.call_later(TICK, self._tick)
        unsent = self.transport.get_write_buffer_size()
        self._stuck = self._stuck + 1 if 0 < self._unsent <= unsent else 0
        self._unsent = unsent
        if self._stuck >= limits.WRITE_TIMEOUT:
            self.transport.abort()
        elif self._in_answer() or self.loop.time() < self._deadline:
            return
        elif self._head_size and self._in_head and not self._refused:
            self._refuse(TOO_SLOW)
        else:
            self.transport.close()

    def _in_answer(self) -> bool:
        cycle = self.cycle
        return bool(cycle) and not (cycle.response_complete or cycle.disconnected)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._unread = self._unread[self._taken :] + data if self._unread else data
        self._taken = 0
        self._read()

    def _read(self) -> None:
        """Take what has come, up to the end of one request."""
        try:
            while self._taken < len(self._unread):
                if self._in_head and self._in_answer():
                    self.flow.full = True
                    self.flow.pause_reading()
                    return
                piece = self._unread[self._taken : self._taken + PIECE]
                self._taken += self._take_head(piece) if self._in_head else self._take_body(piece)
            self._unread, self._taken = b"", 0
        except httptools.HttpParserError:
            self._refuse(INVALID)

    def _take_head(self, data: bytes) -> int:
        """Take bytes up to the head's end, and return how many."""
        if not self._head_size:
            if data[0] in b"\r\n":  # empty lines may come before: RFC 9112, 2.2
                return len(data) - len(data.lstrip(b"\r\n"))
            self._deadline = self.loop.time() + limits.HEAD_TIMEOUT
        window = self._tail + data if self._tail else data
        end = window.find(END)
        taken = len(data) if end < 0 else end + len(END) - len(self._tail)
        self._tail = window[1 - len(END) :] if end < 0 else b""
        self._head_size += taken
        if self._head_size <= limits.HEAD_LIMIT:
            self._feed(data[:taken])
            if self._in_head and len(self.headers or ()) > limits.HEADER_LIMIT:
                self._refusal = TOO_LARGE
        else:
            self._refusal = TOO_LARGE
        if self._refusal:
            self._refuse(self._refusal)
        elif not self._in_head and not self._left and not self._chunks:
            self._end_message()
        return taken

    def _feed(self, head: bytes) -> None:
        try:  # noqa: SIM105 - on each request's way
            self.parser.feed_data(head)
        except httptools.HttpParserUpgrade:
            pass  # an offer, which a server may ignore: RFC 9110, 7.8

    def on_headers_complete(self) -> None:
        """Begin the request; httptools calls it at the end of a head."""
        self._in_head = False
        self._refusal = self._check_head()
        if self._refusal:
            return
        if not self.url.startswith(b"/") and (target := ABSOLUTE_FORM.match(self.url)):
            rest = self.url[target.end() :]
            self.url = rest if rest.startswith(b"/") else b"/" + rest
        super().on_headers_complete()
        if self.draining:
            self.cycle.keep_alive = False

    def _check_head(self) -> Refusal | None:
        """Tell what is wrong with the head, or find how its body is framed."""
        method, version = self.parser.get_method(), self.parser.get_http_version()
        fields = dict(self.headers)
        if refusal := check(method, version, fields, self.headers):
            return refusal
        if len(self.connections) > self._most and method not in {b"GET", b"HEAD"}:
            return TOO_MANY
        self._left = int(fields.get(b"content-length", 0))
        if b"transfer-encoding" in fields:
            self._chunks = ChunkedBody(self.on_body, limits.HEAD_LIMIT)
        return None

    def _should_upgrade(self) -> bool:
        return False

    def _take_body(self, data: bytes) -> int:
        """Take bytes up to the body's end, and return how many."""
        if self._chunks:
            taken = self._chunks.feed(data)
        else:
            taken = min(self._left, len(data))
            self._left -= taken
            self.on_body(data[:taken])
        if self._chunks.ended if self._chunks else not self._left:
            self._end_message()
        return taken

    def on_message_complete(self) -> None:
        """Do nothing: httptools knows no bodies here."""

    def _end_message(self) -> None:
        super().on_message_complete()
        self._incomplete.pop(self, None)
        self._start_head()
        if not self._in_answer():
            self._wait(self._keep_alive)

    def on_response_complete(self) -> None:
        """Go on after an answer; uvicorn calls it when it has written the last of one."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self._wait(self._keep_alive if self._in_head else limits.HEAD_TIMEOUT)
        self.flow.full = False
        self._read()
        self.flow.resume_reading()
        if self._eof:
            self._end_at_eof()

    def eof_received(self) -> bool:  # type: ignore[override] # uvicorn's returns nothing
        """Answer a client that has said all, and still listens."""
        self._eof = True
        return self._end_at_eof()

    def _end_at_eof(self) -> bool:
        """Close the connection if nothing more is to be said, or tell that something is."""
        goes_on = self._in_answer() and self._in_head
        if not goes_on:
            self.transport.close()
        return goes_on

    def _refuse(self, refusal: Refusal) -> None:
        """Answer without the application, and let the client read that before it is cut off."""
        self._refused = True
        self._unread, self._taken = b"", 0
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
    most = limits.connection_limit(limits.raise_descriptor_limit())
    return partial(HttpProtocol, most=most, keep_alive=keep_alive)


def install(keep_alive: float) -> None:
    """Let uvicorn choose this protocol where its own command starts it."""
    vars(auto)["AutoHTTPProtocol"] = make_protocol(keep_alive)
