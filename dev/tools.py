"""Programs of other projects, written in Go: `python -m dev.tools helm k6` makes them ready.

requirements/tools.txt locks their versions. Go builds them, checks them against its public database
of checksums, and puts them into the user's cache, for all clones. The first time takes minutes.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dev.paths import CLONE, cache_folder

LOCK = CLONE / "requirements/tools.txt"
BUILT = "program"


class ToolError(Exception):
    """A program could not be built; the text says why, and what to do."""


def tool(name: str) -> Path:
    """The program of that name, in its locked version, built unless it exists.

    Raises ToolError.
    """
    package, version = _locked()[name]
    program = cache_folder() / f"tools/{name}-{version}"
    if not program.exists():
        _build(package, version, program)
    return program


def _locked() -> dict[str, tuple[str, str]]:
    """By a program's name: its Go package and the version."""
    lines = (line.split() for line in LOCK.read_text(encoding="utf-8").splitlines())
    return {line[0]: (line[1], line[2]) for line in lines if line and line[0] != "#"}


def _build(package: str, version: str, program: Path) -> None:
    with building(package, program) as folder:
        # In our own module: `go install` refuses a go.mod with `exclude`, such as Compose's.
        go(folder, "mod", "init", "tools")
        go(folder, "get", f"{package}@{version}")
        go(folder, "build", "-trimpath", "-o", BUILT, package)


@contextmanager
def building(name: str, program: Path) -> Iterator[Path]:
    """Yield a folder; the BUILT that is there at the end of the block becomes the program."""
    print(f"  building {name} (some minutes, once) ...", file=sys.stderr, flush=True)
    program.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=program.parent) as folder:
        yield Path(folder)
        Path(folder, BUILT).rename(program)


def go(folder: str | Path, *arguments: str | Path) -> None:
    """Run Go's command in this folder.

    Raises ToolError.
    """
    if not shutil.which("go"):
        raise ToolError("Go 1.25 or later is needed: https://go.dev/dl")
    environ = {**os.environ, "GOFLAGS": "", "CGO_ENABLED": "0"}
    done = subprocess.run(
        ["go", *arguments], cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise ToolError(f"go {' '.join(map(str, arguments))} failed:\n{done.stderr[-2000:]}")


def main() -> int:
    """Return the exit code: 1 when a program could not be built."""
    try:
        for name in sys.argv[1:] or _locked():
            tool(name)
    except ToolError as exc:
        print(exc, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
