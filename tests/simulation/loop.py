"""An event loop whose clock jumps to the next event, so that an hour takes no time."""

import asyncio
import selectors
from collections.abc import Mapping
from typing import Any

from tests.simulation.sockets import Socket

START = 1000.0  # seconds
MOST_TURNS = 20_000  # of the loop at one instant


class Stuck(AssertionError):
    """The loop goes round and round without any time passing, or waits for nothing."""


class Selector(selectors.BaseSelector):
    """Watches simulated sockets; while none is ready, time passes."""

    def __init__(self) -> None:
        self.now = START
        self._turns = 0
        self._keys: dict[Any, selectors.SelectorKey] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = selectors.SelectorKey(fileobj, -1, events, data)
        self._keys[fileobj] = key
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys.pop(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._keys

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = [
            (key, ready)
            for key in self._keys.values()
            if isinstance(key.fileobj, Socket) and (ready := key.fileobj.ready() & key.events)
        ]
        if not found and timeout != 0:
            self._pass(timeout)
        self._turns += 1
        if self._turns > MOST_TURNS:
            raise Stuck(f"a busy loop at {self.now}")
        return found

    def _pass(self, timeout: float | None) -> None:
        if timeout is None:
            raise Stuck("nothing will ever happen")
        self._turns = 0
        self.now += timeout


class Loop(asyncio.SelectorEventLoop):
    """asyncio's own loop, with the simulated clock and sockets."""

    def __init__(self) -> None:
        self._simulated = Selector()
        super().__init__(self._simulated)

    def time(self) -> float:
        return self._simulated.now
