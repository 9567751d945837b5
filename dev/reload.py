"""The function of `make run`, which restarts when function/ or schema.sql changes.

After a broken edit `make run` waits for the next one.
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import NoReturn

from dev.database import migrate
from dev.paths import CLONE
from dev.supervisor import STOP_LIMIT, Process, StopRequest

FUNCTION = CLONE / "function"
SCHEMA = CLONE / "schema.sql"
READY_LIMIT = 60.0  # seconds
PAUSE = 0.1  # seconds
ENDED = "The function ended by itself, with exit code {}."


class FunctionError(Exception):
    """The function failed though nobody edited it; the text says how."""


class Changes:
    """The files as they were at the last look, which takes half a millisecond.

    Polling, because inotify and FSEvents lose a file that an editor replaces, have limits, and do
    not see every mount of a container.
    """

    def __init__(self, function: Path = FUNCTION, schema: Path = SCHEMA) -> None:
        self._function, self._schema = function, schema
        self._known = self._times()

    def look(self) -> set[Path]:
        """The files that were written, added or removed since the last look."""
        before, self._known = self._known, self._times()
        return {path for path, _ in before.items() ^ self._known.items()}

    def _times(self) -> dict[Path, int]:
        times = {}
        for path in [self._schema, *self._sources()]:
            with suppress(OSError):  # an editor replaces it right now
                times[path] = path.stat().st_mtime_ns
        return times

    def _sources(self) -> list[Path]:
        return [
            Path(folder, name)
            for folder, _, names in os.walk(self._function)
            for name in names
            if name.endswith((".py", ".json"))
        ]


class State(Enum):
    """The state of one process of the function."""

    STARTING = auto()
    READY = auto()
    FAILED = auto()


@dataclass
class Reloader:
    """Runs the function, process after process."""

    command: Sequence[str | Path]
    environ: Mapping[str, str]
    stop: StopRequest
    changes: Changes  # made before the migration and the first start
    is_ready: Callable[[], bool]
    announce: Callable[[], None]  # the first process is ready
    restarted: bool = False
    schema_changed: bool = False

    def run(self) -> NoReturn:
        """Serve until the user stops it. Raises Stopped, FunctionError."""
        self._serve()
        self.restarted = True
        # Python identifies bytecode by the second of its source: it would miss a second edit.
        self.environ = {**self.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        while True:
            self._migrate()
            self._serve()

    def _serve(self) -> None:
        """Run one process of the function until files change."""
        with Process(self.command, env=self.environ) as function:
            changed = self._watch(function)
            names = sorted(str(path.relative_to(CLONE)) for path in changed)
            _say(f"Changed: {', '.join(names)}. Restarting ...")
            function.terminate()
            self.stop.wait(function, STOP_LIMIT)
        self.schema_changed |= SCHEMA in changed

    def _watch(self, function: Process) -> set[Path]:
        """Report how the start went; return the files that have changed."""
        state, deadline = State.STARTING, time.monotonic() + READY_LIMIT
        while not (changed := self.changes.look()):
            self.stop.check()
            if state is State.STARTING:
                state = self._start_state(function, deadline)
            elif state is State.READY and (code := function.poll()) is not None:
                raise FunctionError(ENDED.format(code))
            time.sleep(PAUSE)
        return changed

    def _start_state(self, function: Process, deadline: float) -> State:
        if (code := function.poll()) is not None:
            return self._failed(ENDED.format(code))
        if self.is_ready():
            if self.restarted:
                _say("The function is ready again.")
            else:
                self.announce()
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
        """Apply schema.sql if it has changed; after a failure, also at the next change."""
        self.schema_changed = self.schema_changed and migrate(self.environ, self.stop) != 0
        if self.schema_changed:
            _say("schema.sql is not applied, see above.")


def _say(text: str) -> None:
    print(text, flush=True)
