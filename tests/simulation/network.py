"""Sockets whose bytes arrive late, in pieces, or never."""

from __future__ import annotations

import errno
import socket
from asyncio import AbstractEventLoop
from collections.abc import Callable
from random import Random
from typing import Any, Protocol

from tests.simulation.sockets import TICK, Socket
from tests.simulation.threads import Threads


class Peer(Protocol):
    """The server's end of a link."""

    def received(self, data: bytes) -> None:
        """Take bytes; none at the end."""


class Link:
    """Carries bytes between a socket and its peer, in order."""

    def __init__(self, network: Network, sock: Socket, accept: Callable[[Link], Peer]) -> None:
        self.dropped = False  # silently, by something in between
        self.reset = False
        self._network = network
        self._sock = sock
        self._up = self._down = 0.0  # when the last bytes arrive
        self.peer = accept(self)

    def to_server(self, data: bytes) -> None:
        self._up = self._later(self._up, self.peer.received, data)

    def to_client(self, data: bytes) -> None:
        """Deliver bytes in pieces, or with none the end."""
        pieces = self._network.pieces(data) if data else [data]
        for piece in pieces:
            self._down = self._later(self._down, self._sock.received, piece)

    def cut(self) -> None:
        """Reset the connection. What has arrived can still be read."""
        self.reset = True
        self._later(0.0, self._sock.failed, ConnectionResetError(errno.ECONNRESET, "reset by peer"))
        self._later(0.0, self.peer.received, b"")

    def _later(self, last: float, deliver: Callable[..., object], data: object) -> float:
        network = self._network
        when = max(last + TICK, network.loop.time() + network.latency(), network.blocked_until)
        network.loop.call_at(when, self._deliver, deliver, data)
        return when

    def _deliver(self, deliver: Callable[..., object], data: object) -> None:
        if not self.dropped and (not self.reset or not isinstance(data, bytes) or not data):
            deliver(data)


class Network:
    """Takes the place of the module `socket`."""

    AF_UNIX, IPPROTO_TCP, TCP_NODELAY = socket.AF_UNIX, socket.IPPROTO_TCP, socket.TCP_NODELAY
    SOL_SOCKET, SO_KEEPALIVE, SOCK_STREAM = (
        socket.SOL_SOCKET,
        socket.SO_KEEPALIVE,
        socket.SOCK_STREAM,
    )

    def __init__(
        self,
        loop: AbstractEventLoop,
        threads: Threads,
        random: Random,
        accept: Callable[[Link], Peer],
    ) -> None:
        self.loop = loop
        self.threads = threads
        self.random = random
        self.accept = accept
        self.sockets: list[Socket] = []
        self.links: list[Link] = []
        self.blocked_until = 0.0
        self.slow = 0.0005  # seconds, the longest latency
        self.listening = True
        self.names = True  # DNS works
        self.splits = random.choice([0.0, 0.1, 0.9])

    def socket(self, family: int) -> Socket:
        sock = Socket(self, family)
        self.sockets.append(sock)
        return sock

    def link(self, sock: Socket) -> Link:
        """Connect it to the server."""
        link = Link(self, sock, self.accept)
        self.links.append(link)
        return link

    def getaddrinfo(self, host: str, port: int, **_: object) -> list[tuple[Any, ...]]:
        if not self.names:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))]

    def latency(self) -> float:
        return self.random.uniform(0.0, self.slow)

    def pieces(self, data: bytes) -> list[bytes]:
        if self.random.random() >= self.splits:
            return [data]
        cuts = sorted(self.random.randrange(len(data) + 1) for _ in range(3))
        parts = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
        return [part for part in parts if part]
