"""Makes the data folder of the embedded PostgreSQL."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from dev import paths

# The sort order does not depend on the locales of the machine.
LOCALE = ["--no-locale", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
INITDB = ["--username=postgres", "--auth=trust", "--encoding=UTF8", *LOCALE]


class PostgresError(Exception):
    """PostgreSQL could not be started; the text says why."""


def make_data(data: Path, *, sync: bool) -> None:
    """Make the folder under another name first: an unfinished one never gets this name.

    Raises PostgresError.
    """
    for unfinished in data.parent.glob(f"{data.name}-*"):
        shutil.rmtree(unfinished, ignore_errors=True)
    new = Path(tempfile.mkdtemp(prefix=f"{data.name}-", dir=data.parent))
    paths.give_away(new)
    options = [*INITDB, *([] if sync else ["--no-sync"])]
    done = subprocess.run(
        [paths.postgres_programs() / "initdb", f"--pgdata={new}", *options],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",  # `nobody` may not be able to enter ours
        start_new_session=True,  # Ctrl-C is for this process
        **paths.unprivileged(),
    )
    if done.returncode != 0:
        raise PostgresError(f"initdb failed:\n{done.stdout}{done.stderr}")
    new.rename(data)
