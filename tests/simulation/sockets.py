"""The client's end of a link, with the part of socket.socket that the store and pg8000 use."""

from __future__ import annotations

import errno
import io
import selectors
import socket
from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.simulation.network import Link, Network

TICK = 1e-6  # seconds between two events on one link, whose order must stay
DESCRIPTORS = count(100_000)


class Socket:
    """Blocks in a thread only, and sends and receives what the network lets through."""

    def __init__(self, network: Network, family: int) -> None:
        self.family = family
        self.closed = False  # the descriptor, too
        self.link: Link | None = None
        self._network = network
        self._descriptor = next(DESCRIPTORS)
        self._timeout: float | None = None
        self._files = 0
        self._closing = False
        self._incoming = bytearray()
        self._ended = False
        self._error: OSError | None = None
        self._full = False  # the buffer for what is sent
        self._waiting: Callable[[], object] | None = None

    # What the network does.

    def received(self, data: bytes) -> None:
        self._incoming += data
        self._ended = self._ended or not data
        self._wake()

    def failed(self, error: OSError) -> None:
        self._error = self._error or error
        self._wake()

    def drained(self) -> None:
        self._full = False
        self._wake()

    def ready(self) -> int:
        """The events of `selectors` that are there."""
        readable = bool(self._incoming or self._ended or self._error)
        writable = not self._full or bool(self._error)
        return selectors.EVENT_READ * readable | selectors.EVENT_WRITE * writable

    def _establish(self) -> None:
        network = self._network
        if network.listening:
            self.link = network.link(self)
        else:
            self._error = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
        self._wake()

    # What a program does.

    def fileno(self) -> int:
        return -1 if self.closed else self._descriptor

    def settimeout(self, seconds: float | None) -> None:
        self._timeout = seconds

    def setblocking(self, flag: bool) -> None:
        self._timeout = None if flag else 0.0

    def setsockopt(self, *_: int) -> None:
        self._check()

    def connect(self, _: object) -> None:
        network = self._network
        when = max(network.loop.time() + network.latency(), network.blocked_until)
        network.loop.call_at(when, self._establish)
        while not (self.link or self._error):
            self._sleep(when + TICK - network.loop.time())
        if self._error:
            raise self._error

    def send(self, data: bytes | memoryview) -> int:
        self._wait_for(selectors.EVENT_WRITE)
        if self._error or not self.link:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")
        random = self._network.random
        size = len(data)
        if size > 1 and random.random() < self._network.splits:
            size = random.randrange(1, size)
            self._full = True
            self._network.loop.call_later(self._network.latency(), self.drained)
        self.link.to_server(bytes(data[:size]))
        return size

    def sendall(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self.send(rest) :]

    def recv(self, size: int) -> bytes:
        self._wait_for(selectors.EVENT_READ)
        if not self._incoming and self._error:
            raise self._error
        part = bytes(self._incoming[:size])
        del self._incoming[: len(part)]
        return part

    def recv_into(self, buffer: memoryview) -> int:
        part = self.recv(len(buffer))
        buffer[: len(part)] = part
        return len(part)

    def makefile(self, mode: str) -> io.BufferedRWPair:
        raw = socket.SocketIO(self, "rw")  # type: ignore[arg-type] # it is not a real one
        assert mode == "rwb"
        self._files += 1
        return io.BufferedRWPair(raw, raw)

    def _decref_socketios(self) -> None:
        self._files -= 1
        self._close_if_unused()

    def close(self) -> None:
        self._closing = True
        self._close_if_unused()

    def __enter__(self) -> Socket:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _close_if_unused(self) -> None:
        if self._closing and not self._files and not self.closed:
            self.closed = True
            if self.link and not self._error:
                self.link.to_server(b"")

    def _check(self) -> None:
        if self.closed:
            raise OSError(errno.EBADF, "Bad file descriptor")

    def _wait_for(self, event: int) -> None:
        """Wait as long as the time limit allows; not at all on the event loop."""
        self._check()
        end = self._network.loop.time() + (self._timeout or 0.0)
        while not self.ready() & event:
            if self._timeout == 0.0:
                raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
            self._sleep(end - self._network.loop.time())

    def _sleep(self, seconds: float) -> None:
        thread = self._network.threads.current
        assert thread, "a blocking call on the event loop"
        now = self._network.loop.time()
        limit = seconds if self._timeout is None else min(seconds, self._timeout)
        if limit <= 0:
            raise TimeoutError(errno.ETIMEDOUT, "timed out")
        self._waiting = thread.go_on
        thread.wait(limit)
        self._waiting = None
        if limit < seconds and self._network.loop.time() >= now + limit:
            raise TimeoutError(errno.ETIMEDOUT, "timed out")

    def _wake(self) -> None:
        if self._waiting:
            self._network.loop.call_soon(self._waiting)
