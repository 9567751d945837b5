"""What the connections of a process share: how many there are, and the turns of the event loop.

In a turn the event loop runs what is ready and reads from all sockets that have data. If 4,000 busy
clients began a request in the same turn, it would take 0.3 s. PostgreSQL's answer waits for the end
of the turn, so the group commit would do one statement in that time, and most requests would get
503. So a turn begins only a few requests.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

TURN = 64  # requests that begin in one turn; the group commit takes 128 rows at a time
TICK = 1.0  # seconds between two looks at all connections


class Connection(Protocol):
    """What this module calls of a connection."""

    def go_on(self) -> None:
        """Read on after `admit` returned False."""

    def check(self, now: float) -> None:
        """End the connection if its client is too slow."""

    transport: asyncio.Transport


class Connections:
    """The open connections of one event loop."""

    def __init__(self, limit: int, keep_alive: float) -> None:
        """`keep_alive` is how long an idle connection stays open, in seconds."""
        self.keep_alive = keep_alive
        self._limit = limit
        self._open: set[Connection] = set()
        self._waiting: dict[Connection, None] = {}  # for their clients, the longest first
        self._queue: deque[Connection] = deque()
        self._begun = 0  # requests in this turn
        self._timer: asyncio.TimerHandle | None = None
        self._checked = 0.0

    @property
    def too_many(self) -> bool:
        """Whether more than the limit are open."""
        return len(self._open) > self._limit

    def add(self, connection: Connection) -> None:
        """Add a new connection; above the limit it replaces the one that waits longest."""
        self._open.add(connection)
        if not self._timer:
            loop = asyncio.get_running_loop()
            self._checked = loop.time()
            self._timer = loop.call_later(TICK, self._check_all)
        if self.too_many and self._waiting:
            longest = next(iter(self._waiting))
            del self._waiting[longest]
            longest.transport.abort()

    def remove(self, connection: Connection) -> None:
        """Forget a connection that has ended."""
        self._open.discard(connection)
        self._waiting.pop(connection, None)

    def wait(self, connection: Connection) -> None:
        """Note that it waits for its client, and may be replaced."""
        self._waiting[connection] = None

    def serve(self, connection: Connection) -> None:
        """Note that its client waits for an answer."""
        self._waiting.pop(connection, None)

    def admit(self, connection: Connection) -> bool:
        """Return whether it may begin a request in this turn; else a later turn calls go_on."""
        if not self._begun:
            asyncio.get_running_loop().call_soon(self._next_turn)
        if self._begun == TURN:
            self._queue.append(connection)
            return False
        self._begun += 1
        return True

    def _next_turn(self) -> None:
        self._begun = 0
        while self._queue and self._begun < TURN:
            connection = self._queue.popleft()
            if not connection.transport.is_closing():
                connection.go_on()

    def _check_all(self) -> None:
        """Look at all connections; after a freeze not before the event loop has read from them."""
        loop = asyncio.get_running_loop()
        now, before, self._checked = loop.time(), self._checked, loop.time()
        for connection in list(self._open) if now - before < 3 * TICK else ():
            connection.check(now)
        self._timer = loop.call_later(TICK, self._check_all) if self._open else None
