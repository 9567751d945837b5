"""The first half of `make clean`: refuse while a program uses the files here.

It uses the standard library only, because the environments may be gone.
"""

import shutil
import sys
from pathlib import Path

from dev import paths


def main() -> int:
    """Return 1 when the files must stay."""
    try:
        return _clean(paths.data_folder())
    except PermissionError as exc:
        print(exc, file=sys.stderr)
        return 1


def _clean(data: Path) -> int:
    for file in [*data.glob("lock"), *data.glob("events*/lock")]:
        if not paths.try_lock(file):
            name = "make run" if file.parent == data else "make events"
            print(f"`{name}` is running here: stop it first, by Ctrl-C.", file=sys.stderr)
            return 1
    shutil.rmtree(paths.outside_folder(), ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
