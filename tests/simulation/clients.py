"""What requests ask of the store, and what must be true of its answers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Any
from uuid import UUID

from function.analysis import NEUTRAL_STRATEGY
from function.domain import Entry, Feedback
from function.errors import Unavailable
from function.store.jobs import SWEEP_INTERVAL, RowRefused
from tests.simulation.promises import GOOD, Promises, check_refusal, is_good, names, require

if TYPE_CHECKING:
    from tests.simulation.run import Simulation

# What a trigger does with a row. See database.py.
ODD = ["refuse 23514", "refuse P0001", "refuse 42501", "refuse 53100", "refuse 57P01", "vanish"]
ODD += ["refuse 57014", "sleep 0.1", "sleep 1", "sleep 60", "defer 23503", "defer 40001"]
LATE = 2 * SWEEP_INTERVAL  # seconds after the deadline
# So many odd rows must not harm good ones, where the timeout is so long, in seconds.
FEW, LONG = 0.05, 5.0
COST = 12  # statements to find an odd request among 64: four with 16, four with 4, and four alone
CHECK_LATE = 2.0  # seconds, the longest time of a check


class Clients:
    """All requests of a simulation."""

    def __init__(self, simulation: Simulation, random: Random) -> None:
        self.promises = Promises(simulation.server.database)
        self.under_way = 0
        self.most = 0
        """Most requests at one time."""
        self._simulation = simulation
        self._random = random
        self._names = count(1)
        self._known: list[Entry] = []  # what repeats repeat
        self._odd: list[float] = []  # when requests with odd rows began
        self._oddities = random.choice([0.0, 0.0, FEW, 0.2])
        self._leaving = random.choice([0.0, 0.0, 0.2])

    def entry(self, message: str, row_id: UUID | None = None) -> Entry:
        name = next(self._names)
        feedback = Feedback(UUID(int=7), "task", message if row_id else f"{message} #{name}")
        row_id = row_id or UUID(int=self._random.getrandbits(128))
        entry = Entry(row_id, feedback, NEUTRAL_STRATEGY, f"trace {name}")
        self.promises.sent[entry.traceparent] = entry
        self._known.append(entry)
        return entry

    def choose(self) -> Sequence[Entry]:
        """Choose what a request asks for: a row, some rows, or one that another one asked for."""
        random = self._random
        if self._known and random.random() < 0.2:
            known = random.choice(self._known)
            return [self.entry(known.feedback.message, known.id)]
        size = random.choice([1, 1, 1, 1, 3, 150]) if random.random() < 0.3 else 1
        return [
            self.entry(random.choice(ODD) if random.random() < self._oddities else GOOD)
            for _ in range(size)
        ]

    async def live(self, during: float) -> None:
        """Send requests at random times, some at once."""
        async with asyncio.TaskGroup() as tasks:
            groups = self._random.choice([3, 10, 30])
            for _ in range(groups):
                await asyncio.sleep(self._random.uniform(0, 2 * during / groups))
                if self._simulation.closing:
                    return
                for _ in range(self._random.choice([1, 1, 2, 10])):
                    tasks.create_task(self._client(self.choose()))
                if self._random.random() < 0.3:
                    tasks.create_task(self.probe())

    async def _client(self, entries: Sequence[Entry]) -> None:
        """Ask, as a client that repeats its request with the same key."""
        for _ in range(3):
            task = asyncio.create_task(self.ask(entries))
            if self._random.random() < self._leaving:
                asyncio.get_running_loop().call_later(self._random.uniform(0, 3), task.cancel)
            await asyncio.wait([task])
            if task.cancelled():
                self._simulation.log(f"a client left: {names(entries)}")
            elif task.result() or self._random.random() < 0.3:
                return
            await asyncio.sleep(self._random.uniform(0, 2))
            if self._simulation.closing:
                return
            entries = [self.entry(one.feedback.message, one.id) for one in entries]
            await self._find(entries)

    async def ask(self, entries: Sequence[Entry]) -> bool:
        """Insert; return whether another try is pointless."""
        store = self._simulation.store
        self._simulation.log(f"asked: {names(entries)}")
        begun, disturbed = self._now(), self._simulation.is_disturbed()
        good = all(map(is_good, entries))
        self._odd += [] if good else [begun]
        try:
            stored = await self._timed(store.insert(entries, store.deadline()), self._timeout())
        except RowRefused as exc:
            self._simulation.log(f"refused: {names(entries)}: {exc}")
            if not self._simulation.is_disturbed():
                check_refusal(entries, str(exc))
            return True
        except Unavailable as exc:
            self._simulation.log(f"unavailable: {names(entries)}: {exc}")
            disturbed |= self._simulation.is_disturbed(begun)
            refused_early = "too many requests" in str(exc)
            failed = good and self._has_time(begun) and not disturbed and not refused_early
            require(not failed, f"nothing was wrong, but {names(entries)} failed: {exc}")
            return False
        self._simulation.log(f"acknowledged: {names(entries)}")
        require(set(stored) == {one.id for one in entries}, "an answer lacks rows or has others")
        self.promises.check(stored, entries)
        return True

    async def _find(self, entries: Sequence[Entry]) -> None:
        store = self._simulation.store
        ids = {one.id for one in entries}
        there = self.promises.acknowledged & ids
        try:
            found = await self._timed(store.find(ids, store.deadline()), self._timeout())
        except Unavailable:
            return
        require(there <= set(found) <= ids, "an acknowledged row was not found")
        self.promises.check(found, ())

    async def probe(self) -> bool:
        down = self._simulation.faults.down_since
        begun = self._now()
        ready: bool = await self._timed(self._simulation.store.is_ready(), CHECK_LATE)
        still = self._simulation.faults.down_since
        if down is not None and down == still and down < begun - CHECK_LATE:
            require(not ready, "ready without a server")
        return ready

    async def _timed(self, work: Any, limit: float) -> Any:
        """Require that it ends in time."""
        begun = self._now()
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            return await work
        finally:
            self.under_way -= 1
            require(self._now() - begun <= limit, f"it took {self._now() - begun:.3f} s")

    def _has_time(self, begun: float) -> bool:
        """Whether the timeout is long enough to find all odd rows that were there."""
        timeout = self._simulation.timeout
        odd = sum(when >= begun - timeout for when in self._odd)
        few = self._oddities <= FEW and timeout >= LONG
        return not odd or (few and odd * COST * self._simulation.server.usual_time() <= timeout)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _timeout(self) -> float:
        return self._simulation.timeout + LATE
