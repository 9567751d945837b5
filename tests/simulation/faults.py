"""What goes wrong beside single statements, for a while."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from random import Random

from tests.simulation.network import Network
from tests.simulation.server import Server

LONGEST = 15.0  # seconds

Fault = Callable[[Server, Network], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def crash(server: Server, network: Network) -> AsyncIterator[None]:
    """The server is away; what it says before that depends on how it stops."""
    network.listening = False
    server.end_all(server.random.choice(["reset", "words", "silently"]))
    yield
    network.listening = True


@asynccontextmanager
async def starting(server: Server, network: Network) -> AsyncIterator[None]:
    """The server restarts and refuses connections, as one without a free place does."""
    server.end_all("words")
    server.refusing = server.random.choice(["57P03", "53300", "28P01", "3D000"])
    yield
    server.refusing = None


@asynccontextmanager
async def terminate(server: Server, network: Network) -> AsyncIterator[None]:
    """An administrator ends each process again and again."""

    async def repeat() -> None:
        while True:
            server.end_all("words")
            await asyncio.sleep(server.random.uniform(0.01, 0.5))

    repeating = asyncio.create_task(repeat())
    yield
    repeating.cancel()


@asynccontextmanager
async def cancel(server: Server, network: Network) -> AsyncIterator[None]:
    """An administrator cancels each statement again and again."""

    async def repeat() -> None:
        while True:
            server.cancel_all()
            await asyncio.sleep(server.random.uniform(0.01, 0.2))

    repeating = asyncio.create_task(repeat())
    yield
    repeating.cancel()


@asynccontextmanager
async def freeze(server: Server, network: Network) -> AsyncIterator[None]:
    """All processes of the server stop, and the kernel still takes connections."""
    server.thawed.clear()
    yield
    server.thawed.set()


@asynccontextmanager
async def no_standby(server: Server, network: Network) -> AsyncIterator[None]:
    """Commits wait for a synchronous standby."""
    server.standby.clear()
    yield
    server.standby.set()


@asynccontextmanager
async def no_writes(server: Server, network: Network) -> AsyncIterator[None]:
    """Each insert fails: a standby, a table that is missing, a right, a lock."""
    server.database.failing = server.random.choice(["25006", "42P01", "42501", "55P03"])
    yield
    server.database.failing = None


@asynccontextmanager
async def no_rows(server: Server, network: Network) -> AsyncIterator[None]:
    """Each row fails, but not an insert without one: a full disk, a trigger."""
    server.database.failing_with_rows = server.random.choice(["53100", "P0001", "XX000", "40001"])
    yield
    server.database.failing_with_rows = None


@asynccontextmanager
async def slow(server: Server, network: Network) -> AsyncIterator[None]:
    """Each step takes long."""
    usual, server.step_time = server.step_time, server.random.choice([0.2, 1.0])
    yield
    server.step_time = usual


@asynccontextmanager
async def far(server: Server, network: Network) -> AsyncIterator[None]:
    """Each packet takes long."""
    usual, network.slow = network.slow, 0.3
    yield
    network.slow = usual


@asynccontextmanager
async def blocked(server: Server, network: Network) -> AsyncIterator[None]:
    """All packets arrive at the end of an outage."""
    network.blocked_until = network.loop.time() + server.random.uniform(0.0, LONGEST)
    yield


@asynccontextmanager
async def dropped(server: Server, network: Network) -> AsyncIterator[None]:
    """Something in between forgets all connections, and tells nobody."""
    for link in network.links:
        link.dropped = True
    yield


@asynccontextmanager
async def reset(server: Server, network: Network) -> AsyncIterator[None]:
    """Something in between ends all connections."""
    for link in network.links:
        link.cut()
    yield


@asynccontextmanager
async def no_names(server: Server, network: Network) -> AsyncIterator[None]:
    """DNS is away, and the server restarts."""
    network.names = False
    server.end_all("silently")
    yield
    network.names = True


@asynccontextmanager
async def no_threads(server: Server, network: Network) -> AsyncIterator[None]:
    """No thread can be started, and the server restarts."""
    network.threads.exhausted = True
    server.end_all("words")
    yield
    network.threads.exhausted = False


FAULTS: list[Fault] = [
    crash, starting, terminate, cancel, freeze, no_standby, no_writes, no_rows, slow, far, blocked,
    dropped, reset, no_names, no_threads,
]  # fmt: skip


class Faults:
    """A few faults, one after the other or at once."""

    def __init__(self, random: Random, server: Server, network: Network, during: float) -> None:
        self.over = 0.0  # when the last one ended
        self.active = 0
        self.down_since: float | None = None
        self._server = server
        self._network = network
        self._plan = [
            (random.uniform(0, during), fault, random.uniform(0, random.choice([0.2, 2, LONGEST])))
            for fault in random.sample(FAULTS, random.choice([0, 0, 1, 1, 2, 4]))
        ]

    async def run(self) -> None:
        await asyncio.gather(*(self._inject(*one) for one in self._plan))

    async def _inject(self, delay: float, fault: Fault, seconds: float) -> None:
        await asyncio.sleep(delay)
        self._server.log(f"begins for {seconds:.3f} s: {fault.__name__}")
        self.active += 1
        if fault is crash:
            self.down_since = asyncio.get_running_loop().time()
        async with fault(self._server, self._network):
            await asyncio.sleep(seconds)
        self.active -= 1
        if fault is crash:
            self.down_since = None
        self.over = max(self._network.blocked_until, asyncio.get_running_loop().time())
        self._server.log(f"is over: {fault.__name__}")
