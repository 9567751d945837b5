"""The function of `make run`: it starts again when its files change.

A broken edit ends the function, not `make run`, which waits for the next change.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from typing import NoReturn

from dev.changes import SCHEMA, Changes
from dev.child import Child, StopRequest
from dev.database import migrate
from dev.places import CLONE

READY_LIMIT = 60.0  # seconds
PAUSE = 0.1  # seconds
ENDED = "The function ended by itself, with exit code {}."


class State(Enum):
    """How far the function has come since its start."""

    STARTING = auto()
    READY = auto()
    FAILED = auto()


class FunctionError(Exception):
    """The function failed without an edit that explains it; the text says how."""


@dataclass
class Reloader:
    """Runs the function in the terminal."""

    command: Sequence[str | Path]
    environ: Mapping[str, str]
    stop: StopRequest
    changes: Changes  # that looked before the migration and the first start
    started: Callable[[Child], None]  # hears of each process
    is_ready: Callable[[], bool]
    announce: Callable[[], None]  # says that the first process is ready
    restarted: bool = field(default=False, init=False)
    schema_changed: bool = field(default=False, init=False)

    def run(self) -> NoReturn:
        """Serve until somebody stops it. Raises Stopped, FunctionError."""
        self._serve()
        self.restarted = True
        # Bytecode is known by the second of its source: two edits in one would look the same.
        self.environ = {**self.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        while True:
            self._migrate()
            self._serve()

    def _serve(self) -> None:
        """Run one process of the function until files change."""
        with Child(self.command, self.environ) as function:
            self.started(function)
            changed = self._watch(function)
            _say(f"Changed: {', '.join(sorted(_name(path) for path in changed))}. Restarting ...")
            function.finish(self.stop)
        self.schema_changed |= SCHEMA in changed

    def _watch(self, function: Child) -> set[Path]:
        """Say how the start went, and return the files that have changed."""
        state, deadline = State.STARTING, time.monotonic() + READY_LIMIT
        while not (changed := self.changes.look()):
            self.stop.check()
            if state is State.STARTING:
                state = self._start_state(function, deadline)
            elif state is State.READY and (code := function.exit_code()) is not None:
                raise FunctionError(ENDED.format(code))
            time.sleep(PAUSE)
        return changed

    def _start_state(self, function: Child, deadline: float) -> State:
        if (code := function.exit_code()) is not None:
            return self._failed(ENDED.format(code))
        if self.is_ready():
            self.announce()
            self.announce = _say_ready
            return State.READY
        if time.monotonic() > deadline:
            return self._failed(f"The function is not ready after {READY_LIMIT:g} seconds.")
        return State.STARTING

    def _failed(self, reason: str) -> State:
        if not self.restarted:
            raise FunctionError(reason)
        _say(f"{reason} It starts again when you change its files.")
        return State.FAILED

    def _migrate(self) -> None:
        """Apply schema.sql if it has changed, again and again until it was possible."""
        self.schema_changed = self.schema_changed and migrate(self.environ, self.stop) != 0
        if self.schema_changed:
            _say("schema.sql is not applied, see above.")


def _name(path: Path) -> str:
    return str(path.relative_to(CLONE))


def _say_ready() -> None:
    _say("The function is ready again.")


def _say(text: str) -> None:
    print(text, flush=True)
