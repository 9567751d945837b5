"""The first half of `make clean`: refuse while a program uses the files here.

It uses the standard library only, because the environments may be gone.
"""

import fcntl
import shutil
import sys

from dev import paths


def main() -> int:
    """Remove the folder in /var/tmp; return 1 when the files must stay."""
    data = paths.data_folder()
    for lock in [*data.glob("lock"), *data.glob("events*/lock")]:
        name = "make run" if lock.parent == data else "make events"
        with lock.open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print(f"`{name}` is running here: stop it first, by Ctrl-C.", file=sys.stderr)
                return 1
    shutil.rmtree(paths.outside_folder(), ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
