"""One simulation: the store, its clients and all that goes wrong, from one seed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from random import Random
from typing import Any
from unittest.mock import patch

from function.settings import load
from function.store import CLOSE_TIMEOUT, Store
from function.store.health import MEMORY
from tests.simulation.clients import Clients
from tests.simulation.faults import Faults
from tests.simulation.loop import Loop
from tests.simulation.network import Network
from tests.simulation.promises import GOOD, require
from tests.simulation.server import Server
from tests.simulation.threads import Threads

SETTINGS = "postgresql://user@{}/mentor?connect_timeout=2"
STATEMENTS = 40  # statements and connections, that may begin in a second without any request
STATEMENTS_FOR_ONE = 20  # more for each request


class Simulation:
    """A run. Its trace is what happened, in order."""

    def __init__(self, seed: int) -> None:
        self.trace: list[str] = []
        random = _random(seed, "run")
        self.timeout: float = random.choice([2, 5, 10])  # seconds
        self.during = random.choice([1.0, 10.0, 30.0])
        self.stops_early = random.random() < 0.2
        self.closing = False
        self.loop = Loop()
        asyncio.set_event_loop(self.loop)
        self.threads = Threads(self.loop)
        self.server = Server(_random(seed, "server"), self.log)
        self.network = Network(
            self.loop, self.threads, _random(seed, "network"), self.server.accept
        )
        self.faults = Faults(_random(seed, "faults"), self.server, self.network, self.during)
        self.clients = Clients(self, _random(seed, "clients"))
        hosts = random.choice(["one", "one", "one,two"])
        self.store = Store(load({"DATABASE_URL": SETTINGS.format(hosts)}).postgres, self.timeout)

    def log(self, text: str) -> None:
        self.trace.append(f"{self.loop.time():10.4f}  {text}")

    def is_disturbed(self, since: float | None = None) -> bool:
        """Whether a fault was there at that time, or so shortly before it that it has effects."""
        since = self.loop.time() if since is None else since
        latest = max(self.faults.over, self.server.disturbed)
        return self.closing or self.faults.active > 0 or latest > since - 2 * self.timeout

    def run(self) -> None:
        """Raise AssertionError if a promise is broken."""
        errors: list[str] = []
        self.loop.set_exception_handler(lambda _, context: errors.append(repr(context)))
        try:
            with _replaced(self), _logged(self):
                self.loop.run_until_complete(self._main())
        finally:
            self._end()
        require(not errors, f"asyncio reports {errors}")

    async def _main(self) -> None:
        faults = asyncio.create_task(self.faults.run())
        live = asyncio.create_task(self.clients.live(self.during))
        if self.stops_early:
            await asyncio.wait([live], timeout=self.during / 2)
        else:
            await live
            await faults
            await self._check_recovery()
        self.log("the store closes")
        self.closing = True
        begun = self.loop.time()
        await self.store.close()
        require(self.loop.time() - begun <= CLOSE_TIMEOUT, "the store did not close in time")
        await live
        await faults
        await asyncio.sleep(self.timeout + 60)
        self._check_end()

    async def _check_recovery(self) -> None:
        """Require that all is well again, some time after the last fault."""
        self.server.risk = 0.0
        await asyncio.sleep(max(0, self.faults.over - self.loop.time()) + MEMORY + self.timeout)
        require(await self.clients.ask([self.clients.entry(GOOD)]), "it does not recover")
        require(await self.clients.probe(), "it does not get ready again")

    def _check_end(self) -> None:
        queue, sent = self.store._queue, self.clients.promises.sent
        require(not (queue.rows or queue.waiting or queue._jobs), "jobs remain")
        require(queue._sweeper is None, "the sweeper goes on")
        require(not self.threads.alive, "threads remain")
        require(all(sock.closed for sock in self.network.sockets), "sockets remain open")
        for row_id, row in self.server.database.rows.items():
            entry = sent.get(row.columns["traceparent"])
            require(entry and str(entry.id) == row_id, f"nobody sent {row.columns}")
        self._check_rate()

    def _check_rate(self) -> None:
        times = self.server.busy
        most = STATEMENTS + STATEMENTS_FOR_ONE * self.clients.most
        for first, last in zip(times, times[most:], strict=False):
            require(last - first > 1.0, f"{most} statements in a second, at {first:.3f}")

    def _end(self) -> None:
        self.threads.end()
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        self.loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self.loop.close()
        asyncio.set_event_loop(None)


def _random(seed: int, purpose: str) -> Random:
    return Random(f"{seed} {purpose}")  # noqa: S311 - it must be repeatable, not secret


class _Log(logging.Handler):
    """Puts the store's log into the trace."""

    def __init__(self, simulation: Simulation) -> None:
        super().__init__()
        self._simulation = simulation

    def emit(self, record: logging.LogRecord) -> None:
        reason = getattr(record, "reason", "")
        self._simulation.log(f"the store logs: {record.getMessage()} {reason}".rstrip())


@contextmanager
def _logged(simulation: Simulation) -> Iterator[None]:
    logger = logging.getLogger("function.store")
    before = logger.handlers, logger.level, logger.propagate
    logger.handlers, logger.level, logger.propagate = [_Log(simulation)], logging.INFO, False
    yield
    logger.handlers, logger.level, logger.propagate = before


@contextmanager
def _replaced(simulation: Simulation) -> Iterator[None]:
    """Give the store simulated time, sockets and threads."""
    replacements: dict[str, Any] = {
        "time.monotonic": simulation.loop.time,
        "function.store.sockets.socket": simulation.network,
        "function.store.group_commit.threading": simulation.threads,
        "function.store.connection.threading": simulation.threads,
    }
    with ExitStack() as stack:
        for name, value in replacements.items():
            stack.enter_context(patch(name, value))
        yield
