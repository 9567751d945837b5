"""A client's connection, for both hosts that use uvicorn's server.

It takes the place of uvicorn's HttpToolsProtocol, which sets no limits and reads what it should
not; docs/hosts.md lists the differences. One request is read when the one before is answered.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from function.hosts import limits
from function.hosts.exchange import Exchange
from function.hosts.reader import RequestReader, Scope
from function.hosts.refusals import TOO_MANY, TOO_SLOW, Header, Refusal, Refused

TICK = 1.0  # seconds between two looks at all connections


class HttpProtocol(asyncio.Protocol):
    """One connection. `_waiting` has those that wait for their clients, the longest one first."""

    draining: ClassVar[bool] = False
    _waiting: ClassVar[dict[HttpProtocol, None]] = {}
    _ticker: ClassVar[asyncio.TimerHandle | None] = None
    _default_headers: ClassVar[tuple[list[Header], bytes]] = ([], b"")

    def __init__(
        self,
        config: Any,
        server_state: Any,
        app_state: Any,
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        most: int,
        keep_alive: float,
    ) -> None:
        """At most `most` connections are open; one that is idle ends after `keep_alive` seconds.

        uvicorn's server passes the other arguments.
        """
        self._app = config.loaded_app
        self._state = server_state
        self._connections = server_state.connections
        self._loop = _loop or asyncio.get_running_loop()
        self._most = most
        self._keep_alive = keep_alive
        self._reader = RequestReader(self._begin_request, self._take_body, self._end_request)
        self._unread = b""
        self._eof = False
        self._refused = False
        self._exchange: Exchange | None = None
        self._paused = False
        self.blocked: asyncio.Future[None] | None = None
        """Ends when the client has taken most of what was written."""
        self._unsent = 0  # bytes, at the last tick
        self._stuck = 0  # ticks in which nothing was sent

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._client = transport.get_extra_info("peername")
        if sock := transport.get_extra_info("socket"):
            # Otherwise the kernel keeps up to 10 MB for a client that floods, or doesn't read.
            for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
                sock.setsockopt(socket.SOL_SOCKET, option, limits.SOCKET_BUFFER)
        self._connections.add(self)
        if len(self._connections) > self._most and self._waiting:
            next(iter(self._waiting)).abort()
        self._wait(limits.HEAD_TIMEOUT)
        if len(self._connections) == 1:
            self._start_ticking()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        self._waiting.pop(self, None)
        self._unread = b""
        if self._exchange:
            self._exchange.end()
        self.resume_writing()

    def abort(self) -> None:
        """Close the connection at once."""
        self._waiting.pop(self, None)
        self._transport.abort()

    def shutdown(self) -> None:
        """Close the connection after the answer in progress; uvicorn's server calls it."""
        if self._exchange:
            self._exchange.keep_alive = False
        else:
            self._transport.close()

    def _wait(self, patience: float) -> None:
        """Wait for the client, at most so many seconds."""
        self._deadline = self._loop.time() + patience
        self._waiting[self] = None

    def _start_ticking(self) -> None:
        """Look at all connections every TICK: a timer for each would cost more."""
        if HttpProtocol._ticker:
            HttpProtocol._ticker.cancel()
        HttpProtocol._ticker = self._loop.call_later(TICK, self._tick)

    def _tick(self) -> None:
        now = self._loop.time()
        for connection in list(self._connections):
            connection.check_patience(now)
        if self._connections:
            self._start_ticking()

    def check_patience(self, now: float) -> None:
        """End the connection if the client is too slow."""
        unsent = self._transport.get_write_buffer_size()
        self._stuck = self._stuck + 1 if 0 < self._unsent <= unsent else 0
        self._unsent = unsent
        if self._stuck * TICK >= limits.WRITE_TIMEOUT:
            self._transport.abort()
        elif self._exchange or now < self._deadline:
            return
        elif self._reader.in_head and self._reader.head_size and not self._refused:
            self.refuse(TOO_SLOW)
        else:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        if not self._refused:
            if not self._reader.head_size:
                self._deadline = self._loop.time() + limits.HEAD_TIMEOUT
            self._unread += data
            self._read()

    def _read(self) -> None:
        """Take what has come, up to the end of one request."""
        try:
            while self._unread:
                if self._reader.in_head and self._exchange:
                    self.pause_reading()
                    return
                taken = self._reader.take(self._unread)
                self._unread = self._unread[taken:]
        except Refused as exc:
            self.refuse(exc.refusal)

    def _begin_request(self, scope: Scope, *, keep_alive: bool) -> None:
        if len(self._connections) > self._most and scope["method"] not in {"GET", "HEAD"}:
            raise Refused(TOO_MANY)
        scope["client"] = self._client
        exchange = self._exchange = Exchange(
            self, scope, keep_alive=keep_alive and not self.draining
        )
        task = self._loop.create_task(exchange.run(self._app))
        self._state.tasks.add(task)
        task.add_done_callback(self._state.tasks.discard)

    def _take_body(self, part: bytes) -> None:
        if self._exchange and self._exchange.feed(part) > limits.BODY_BUFFER:
            self.pause_reading()

    def _end_request(self) -> None:
        self._waiting.pop(self, None)
        if self._exchange:
            self._exchange.complete()
        else:
            self._wait(self._keep_alive)

    def pause_reading(self) -> None:
        """Leave what comes to the kernel, which makes the client wait."""
        self._paused = True
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again, if that was paused."""
        if self._paused:
            self._paused = False
            self._transport.resume_reading()

    def default_headers(self) -> bytes:
        """Return the headers of every answer. uvicorn makes a new list of them each second."""
        headers, encoded = self._default_headers
        if headers is not self._state.default_headers:
            headers = self._state.default_headers
            encoded = b"".join([b"%b: %b\r\n" % header for header in headers])
            HttpProtocol._default_headers = headers, encoded
        return encoded

    def write(self, data: bytes) -> None:
        """Send the data now, or when the client takes it."""
        self._transport.write(data)

    def pause_writing(self) -> None:
        self.blocked = self._loop.create_future()

    def resume_writing(self) -> None:
        if self.blocked and not self.blocked.done():
            self.blocked.set_result(None)
        self.blocked = None

    def end_exchange(self, *, keep_alive: bool) -> None:
        """Go on after an answer."""
        self._state.total_requests += 1
        self._exchange = None
        if not keep_alive:
            self._transport.close()
        if self._transport.is_closing():
            return
        self._wait(limits.HEAD_TIMEOUT if self._reader.head_size else self._keep_alive)
        self.resume_reading()
        self._read()
        if self._eof:
            self._close_at_eof()

    def eof_received(self) -> bool:
        """Answer a client that has sent everything and still reads."""
        self._eof = True
        return self._close_at_eof()

    def _close_at_eof(self) -> bool:
        """Close the connection, or return True if an answer is still to come."""
        goes_on = self._exchange is not None and self._reader.in_head
        if not goes_on:
            self._transport.close()
        return goes_on

    def refuse(self, refusal: Refusal) -> None:
        """Answer without the application, and give the client time to read the answer."""
        self._refused = True
        self._unread = b""
        exchange, self._exchange = self._exchange, None
        if exchange:
            exchange.end()
            if exchange.started:
                self._transport.close()
                return
        self._transport.write(refusal.response(self._state.default_headers))
        self._transport.write_eof()
        self._wait(limits.LINGER)


def make_protocol(keep_alive: float) -> Callable[..., HttpProtocol]:
    """Return what makes a connection's protocol, within the limits of this process."""
    most = limits.connection_limit(limits.raise_descriptor_limit())
    return partial(HttpProtocol, most=most, keep_alive=keep_alive)


def install(keep_alive: float) -> None:
    """Have uvicorn use this protocol where its own command starts it."""
    from uvicorn.protocols.http import auto

    vars(auto)["AutoHTTPProtocol"] = make_protocol(keep_alive)
