"""How uvicorn's connections read requests and write answers, for both hosts that use uvicorn.

httptools gets one head at a time, so it never sees a byte that belongs to something else: a body
that it takes for another protocol's (Kludex/uvicorn#2722), trailers, a second request. One request
is read when the one before is answered. docs/hosts.md lists what is used of uvicorn's insides.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import httptools
from uvicorn.protocols.http import auto
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from function.hosts import limits
from function.hosts.connections import Connections
from function.hosts.framing import Message, make_body, origin_form
from function.hosts.refusals import INVALID, TOO_LARGE, TOO_MANY, TOO_SLOW, Refusal, check
from function.hosts.transport import ResponseTransport


class HttpProtocol(HttpToolsProtocol):
    """One connection."""

    draining = False

    def __init__(self, *args: Any, shared: Connections, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.ws_protocol_class = None  # else an offer of WebSocket is taken where a library is
        self._shared = shared
        self._unread = b""
        self._eof = False
        self._refusal: Refusal | None = None
        self._unsent_since: float | None = None
        self._start_message()

    def _start_message(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.headers = []
        self._message = Message()

    def connection_made(self, transport: Any) -> None:
        limits.bound_buffers(transport.get_extra_info("socket"))
        transport.set_write_buffer_limits(high=0)  # pause_writing is called when any byte waits
        super().connection_made(ResponseTransport(transport, self.loop))  # type: ignore[arg-type]
        self._wait(limits.HEAD_TIMEOUT)
        self._shared.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._shared.remove(self)
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
        elif self._message.in_head and not self._refusal:
            self._refuse(TOO_SLOW)
        else:
            self.transport.close()

    def _in_answer(self) -> bool:
        return bool(self.cycle) and not (self.cycle.response_complete or self.cycle.disconnected)

    def data_received(self, data: bytes) -> None:
        if self._unread:
            self._unread += data
            self.transport.pause_reading()  # by `flow`, the application would resume it
        elif not self._refusal:
            self._unread = data
            self._read()

    def _read(self) -> None:
        """Take what has come, up to the end of one request."""
        try:
            while self._unread:
                if not self._message.head_size and not self._may_begin():
                    return
                self._take()
        except httptools.HttpParserError:
            self._refuse(INVALID)

    def _take(self) -> None:
        message = self._message
        begun = message.head_size
        self._unread = message.feed(self._unread, self.parser)
        if not begun and message.head_size:
            self._deadline = self.loop.time() + limits.HEAD_TIMEOUT
        if message.head_size > limits.HEAD_LIMIT or len(self.headers) > limits.HEADER_LIMIT:
            self._refusal = TOO_LARGE
        if self._refusal:
            self._refuse(self._refusal)
        elif message.ended:
            self._end_message()

    def _may_begin(self) -> bool:
        """Tell whether a request may begin; if not, `go_on` is called when it may."""
        first = self.cycle is None  # it never waits, because probes make new connections
        return first or (not self._in_answer() and self._shared.admit(self))

    def go_on(self) -> None:
        """Read on where `_read` has stopped."""
        self._read()
        if not self._unread:
            self.transport.resume_reading()

    def on_headers_complete(self) -> None:
        """Begin the request; httptools calls it at the end of a head."""
        method, version = self.parser.get_method(), self.parser.get_http_version()
        fields = dict(self.headers)
        self._refusal = check(method, version, fields, self.headers)
        if self._shared.too_many and method not in {b"GET", b"HEAD"}:
            self._refusal = TOO_MANY
        if self._refusal:
            return
        self._message.body = make_body(fields, self.on_body)
        self.url = origin_form(self.url)
        super().on_headers_complete()
        if self.draining:
            self.cycle.keep_alive = False

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
        self._wait(limits.HEAD_TIMEOUT if self._message.body else self._shared.keep_alive)
        self.flow.resume_reading()
        if self._unread:
            self.go_on()
        self._end_at_eof()

    def shutdown(self) -> None:
        """End after the next answer, if one is to come; uvicorn calls it when the server ends."""
        self.draining = True
        if not self._unread:
            super().shutdown()

    def eof_received(self) -> bool:  # type: ignore[override] # uvicorn's returns nothing
        """Keep the connection open for a client that has sent all and still reads."""
        self._eof = True
        self._end_at_eof()
        return True  # else the event loop closes it before ResponseTransport has sent all

    def _end_at_eof(self) -> None:
        """Close the connection after all answers that the client gets without sending more."""
        if self._eof and not self._unread and (self._message.body or not self._in_answer()):
            self.transport.close()

    def _refuse(self, refusal: Refusal) -> None:
        """Answer without the application, and leave the client time to read the answer."""
        self._refusal = refusal
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
