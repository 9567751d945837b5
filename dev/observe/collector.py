"""The OpenTelemetry Collector. `python -m dev.observe.collector` builds it, once."""

import hashlib
import shutil
import sys
from pathlib import Path

from dev.paths import cache_folder
from dev.tools import BUILT, ToolError, building, go

SOURCES = [Path(__file__).with_name(name) for name in ("collector.go", "go.mod")]


def collector() -> Path:
    """The program, built unless it is in the user's cache. Raises ToolError."""
    version = hashlib.sha256(b"".join(file.read_bytes() for file in SOURCES)).hexdigest()[:8]
    program = cache_folder() / f"tools/collector-{version}"
    if not program.exists():
        _build(program)
    return program


def _build(program: Path) -> None:
    with building("the Collector", program) as folder:
        for file in SOURCES:
            shutil.copy(file, folder)
        go(folder, "build", "-mod=mod", "-trimpath", "-ldflags=-s -w", "-o", BUILT, ".")


def main() -> int:
    """Return the exit code: 1 when it could not be built."""
    try:
        collector()
    except ToolError as exc:
        print(exc, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
