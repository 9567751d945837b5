"""Threads that take turns with the event loop, so that a run can be repeated exactly."""

from __future__ import annotations

import threading
from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import Any


class Ended(BaseException):
    """The simulation is over."""


class Threads:
    """Takes the place of the module `threading`."""

    def __init__(self, loop: AbstractEventLoop) -> None:
        self.loop = loop
        self.alive: dict[Thread, None] = {}
        self.current: Thread | None = None
        self.exhausted = False

    def Thread(  # noqa: N802
        self, target: Callable[..., object], args: tuple[Any, ...], **_: object
    ) -> Thread:
        return Thread(self, target, args)

    def end(self) -> None:
        """Stop those that still wait for something."""
        for thread in list(self.alive):
            thread.ending = True
            thread.go_on()


class Thread:
    """Runs while the loop stands still, until it waits for something."""

    def __init__(
        self, threads: Threads, target: Callable[..., object], args: tuple[Any, ...]
    ) -> None:
        self.ending = False
        self._threads = threads
        self._target = target
        self._args = args
        self._turn = threading.Lock()
        self._pause = threading.Lock()
        self._turn.acquire()
        self._pause.acquire()

    def start(self) -> None:
        if self._threads.exhausted:
            raise RuntimeError("can't start new thread")
        self._threads.alive[self] = None
        threading.Thread(target=self._main, daemon=True).start()
        self._threads.loop.call_soon(self.go_on)

    def go_on(self) -> None:
        """Let it run until it waits again. It may have nothing to do yet."""
        if self in self._threads.alive:
            self._threads.current = self
            self._turn.release()
            self._pause.acquire()
            self._threads.current = None

    def wait(self, seconds: float) -> None:
        """Let the loop go on, for at most so long; called in the thread."""
        timer = self._threads.loop.call_later(seconds, self.go_on)
        self._pause.release()
        self._turn.acquire()
        timer.cancel()
        if self.ending:
            raise Ended

    def _main(self) -> None:
        self._turn.acquire()
        try:
            if not self.ending:
                self._target(*self._args)
        except Ended:
            pass
        finally:
            del self._threads.alive[self]
            self._pause.release()
