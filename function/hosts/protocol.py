"""A client's connection, for both hosts that use uvicorn's server.

It takes the place of uvicorn's HttpToolsProtocol, which sets no limits and reads what it should
not; docs/hosts.md lists the differences. One request is read when the one before is answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from function.hosts import limits
from function.hosts.connections import TICK, Connections
from function.hosts.exchange import Exchange
from function.hosts.reader import RequestReader, Scope
from function.hosts.refusals import NO_ROOM, TOO_MANY, TOO_SLOW, Refusal, Refused
from function.http.memory import Share


class HttpProtocol(asyncio.Protocol):
    """One connection."""

    draining = False

    def __init__(
        self,
        config: Any,
        server_state: Any,
        app_state: Any,
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        shared: Connections,
    ) -> None:
        """Uvicorn's server passes all arguments but `shared`."""
        self._app = config.loaded_app
        self.state = server_state
        self._loop = _loop or asyncio.get_running_loop()
        self._shared = shared
        self._reader = RequestReader(self._begin_request, self._take_body, self._end_request)
        self._head = Share()
        self._unread = b""
        self._eof = False
        self._lingering = False  # reads on only to let the client read the last answer
        self._new = True  # has sent no request yet
        self._exchange: Exchange | None = None
        self._paused = False
        self.blocked: asyncio.Future[None] | None = None  # until the client has taken more
        self._unsent = 0  # bytes, at the last check
        self._stuck = 0  # checks in a row at which no byte had been sent

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.set_write_buffer_limits(limits.AHEAD)
        if sock := transport.get_extra_info("socket"):
            limits.bound_buffers(sock)
        self.state.connections.add(self)
        self._shared.add(self)
        self._wait(limits.HEAD_TIMEOUT)

    def connection_lost(self, exc: Exception | None) -> None:
        self.state.connections.discard(self)
        self._shared.remove(self)
        self._head.release()
        self._unread = b""
        if self._exchange:
            self._exchange.end()
        self.resume_writing()

    def shutdown(self) -> None:
        """Close the connection after the next answer, if one is to come; uvicorn calls it."""
        self.draining = True
        if self._exchange:
            self._exchange.keep_alive = False
        elif not self._unread:
            self.transport.close()

    def _wait(self, patience: float) -> None:
        """Wait for the client, at most so many seconds."""
        self._deadline = self._loop.time() + patience
        self._shared.wait(self)

    def check(self, now: float) -> None:
        """End the connection if the client is too slow."""
        unsent = self.transport.get_write_buffer_size()
        self._stuck = self._stuck + 1 if 0 < self._unsent <= unsent else 0
        self._unsent = unsent
        if self._stuck * TICK >= limits.WRITE_TIMEOUT:
            self.transport.abort()
        elif self._unread or now < self._deadline:
            return
        elif self._exchange:
            if not self._reader.in_head:
                self._exchange.time_out()
        elif self._reader.in_head and self._reader.head_size and not self._lingering:
            self.refuse(TOO_SLOW)
        else:
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        if self._unread:
            self._unread += data
            self.pause_reading()
        elif not self._lingering:
            self._unread = data
            self._read()

    def _read(self) -> None:
        """Take what has come, up to the end of one request."""
        try:
            while self._unread:
                if not self._reader.head_size:
                    if not self._may_begin():
                        if len(self._unread) > limits.AHEAD:
                            self.pause_reading()
                        return
                    if self._unread[0] not in b"\r\n":  # else an empty line, and still no head
                        self._deadline = self._loop.time() + limits.HEAD_TIMEOUT
                taken = self._reader.take(self._unread)
                self._unread = self._unread[taken:]
                if self._reader.in_head and self._reader.head_size:
                    self._count_head()
        except Refused as exc:
            self.refuse(exc.refusal)

    def _may_begin(self) -> bool:
        """Tell whether a request may begin; if not, `go_on` is called when it may.

        The first one of a connection always may: probes make new connections.
        """
        return not self._exchange and (self._new or self._shared.admit(self))

    def go_on(self) -> None:
        """Read on where `_read` has stopped."""
        self._read()
        if not self._unread:
            self.resume_reading()

    def _begin_request(self, scope: Scope, *, keep_alive: bool) -> None:
        if self._shared.too_many and scope["method"] not in {"GET", "HEAD"}:
            raise Refused(TOO_MANY)
        self._count_head()
        self._new = False
        self._deadline = self._loop.time() + limits.BODY_TIMEOUT
        exchange = self._exchange = Exchange(self, scope, keep_alive=keep_alive)
        self.state.tasks.add(self._loop.create_task(exchange.run(self._app)))

    def _count_head(self) -> None:
        if not self._head.grow(self._reader.head_size):
            raise Refused(NO_ROOM)

    def _take_body(self, part: bytes) -> None:
        if self._exchange and self._exchange.feed(part) > limits.BODY_BUFFER:
            self.pause_reading()

    def _end_request(self) -> None:
        self._shared.serve(self)
        if self._exchange:
            self._exchange.complete()
        else:
            self._wait(self._shared.keep_alive)

    def pause_reading(self) -> None:
        """Leave what comes to the kernel, which makes the client wait."""
        self._paused = True
        self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again, if that was paused."""
        if self._paused:
            self._paused = False
            self.transport.resume_reading()

    def pause_writing(self) -> None:
        self.blocked = self._loop.create_future()

    def resume_writing(self) -> None:
        if self.blocked and not self.blocked.done():
            self.blocked.set_result(None)
        self.blocked = None

    def end_exchange(self, *, keep_alive: bool) -> None:
        """Go on after an answer."""
        self.state.total_requests += 1
        self._exchange = None
        self._head.release()
        if not keep_alive:
            self._close()
        if self._lingering or self.transport.is_closing():
            return
        self._wait(limits.HEAD_TIMEOUT if self._reader.head_size else self._shared.keep_alive)
        self.go_on()
        if self._eof and not self._owes_answer():
            self.transport.close()

    def eof_received(self) -> bool:
        """Keep the connection open for a client that has sent everything and still reads."""
        self._eof = True
        return self._owes_answer()

    def _owes_answer(self) -> bool:
        """Whether the client gets an answer without sending more."""
        return bool(self._unread) or (self._exchange is not None and self._reader.in_head)

    def refuse(self, refusal: Refusal) -> None:
        """Answer without the application, and end the connection."""
        exchange, self._exchange = self._exchange, None
        if exchange:
            exchange.end()
            if exchange.started:
                self.transport.close()
                return
        self.transport.write(refusal.response(self.state.default_headers))
        self._close()

    def _close(self) -> None:
        """Close; later if the client still sends, as that would make the kernel drop the answer."""
        if not self._unread and not self._reader.head_size:
            self.transport.close()
            return
        self._lingering = True
        self._unread = b""
        self.transport.write_eof()
        self.resume_reading()
        self._wait(limits.LINGER)


def make_protocol(keep_alive: float) -> Callable[..., HttpProtocol]:
    """Return what makes a connection's protocol, within the limits of this process.

    An idle connection ends after `keep_alive` seconds.
    """
    shared = Connections(limits.set_connection_limit(), keep_alive)
    return partial(HttpProtocol, shared=shared)
