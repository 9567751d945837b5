"""A PostgreSQL in memory: its processes, and what can happen to all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count
from random import Random

from tests.simulation.backend import Backend
from tests.simulation.database import Database
from tests.simulation.network import Link


class Server:
    """Accepts connections. Each step of each statement is a place where it may end."""

    def __init__(self, random: Random, log: Callable[[str], None]) -> None:
        self.random = random
        self.log = log
        self.database = Database(log)
        self.backends: dict[int, Backend] = {}
        self.pids = count(1)
        self.pooled = random.random() < 0.15
        self.step_time = random.choice([0.0005, 0.005, 0.03])  # seconds, at most
        self.risk = random.choice([0.0, 0.0, 0.0, 0.01, 0.1])  # that a step ends a connection
        self.refusing: str | None = None  # SQLSTATE for whoever connects
        self.thawed = asyncio.Event()
        self.thawed.set()
        self.standby = asyncio.Event()  # the synchronous one is there
        self.standby.set()
        self.busy: list[float] = []  # when statements and connections began
        self.disturbed = 0.0  # when the latest of such ends happened

    def accept(self, link: Link) -> Backend:
        return Backend(self, link)

    def note(self, text: str) -> None:
        """Count a statement or a connection."""
        self.log(text)
        self.busy.append(asyncio.get_running_loop().time())

    def usual_time(self) -> float:
        """Seconds for a statement, on average: it has four steps."""
        return 4 * self.step_time / 2

    async def step(self, backend: Backend, name: str) -> None:
        """Take some time, and maybe end the backend."""
        await asyncio.sleep(self.random.uniform(0.0, self.step_time))
        await self.thawed.wait()
        if self.random.random() < self.risk:
            self.disturbed = asyncio.get_running_loop().time()
            backend.end(self.random.choice(["reset", "words", "silently"]), name)
            await asyncio.sleep(0)  # the end comes here

    def end_all(self, how: str) -> None:
        """End all backends, as a crash or an administrator does."""
        for backend in list(self.backends.values()):
            backend.end(how, "at once")

    def cancel(self, pid: int, key: bytes) -> None:
        """Cancel what a backend does now; this may be the next statement already."""
        backend = self.backends.get(pid)
        if backend and backend.key == key:
            backend.cancel()

    def cancel_all(self) -> None:
        """As pg_cancel_backend() does; it spares commits, which would stay on the primary."""
        for backend in self.backends.values():
            if not backend.commits:
                backend.cancel()
