"""What `make run` serves, function/ and schema.sql, and whether somebody changed it.

It looks, as a watch by inotify or FSEvents loses a file that an editor replaces, has a limit, and
does not see every mount of a container. A look takes half a millisecond.
"""

import os
from contextlib import suppress
from pathlib import Path

from dev.places import CLONE

FUNCTION = CLONE / "function"
SCHEMA = CLONE / "schema.sql"


class Changes:
    """The files as they were at the last look."""

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
        """No bytecode, no editor's own files."""
        return [
            Path(folder, name)
            for folder, _, names in os.walk(self._function)
            for name in names
            if name.endswith((".py", ".json"))
        ]
