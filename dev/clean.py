"""The first half of `make clean`: end what is left of `make run`, drop slots on other servers.

It refuses while something is at work here. dev/clean.sh then removes the files. It runs on whatever
Python there is, as the environments may be gone: what is installed is imported where it's needed.
"""

import fcntl
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict
from pathlib import Path

from dev import account, places
from dev.events.note import Note, noted
from dev.places import CLONE
from function.postgres_settings import PostgresSettings
from function.settings import ConfigurationError, load

DROP = """
SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = :slot
"""
NOT_DROPPED = """\
The slot {slot} of `make events` is still on {host}:{port} ({reason}).
While it is there, that server keeps its log for it. Drop it with a role that may, by
    make clean DATABASE_URL=postgresql://{user}:...@{host}:{port}/{database}
or there, by
    SELECT pg_drop_replication_slot('{slot}');
and then forget it, also when that server is gone for good:
    rm -r '{folder}'
"""


class CleanError(Exception):
    """Nothing may be removed yet; the text says what to do before."""


def main() -> int:
    """Return 1 when the files must stay."""
    try:
        clean(places.folder_for(account.unprivileged(), CLONE / ".data"), os.environ)
    except (CleanError, ConfigurationError, PermissionError) as exc:
        print(exc, file=sys.stderr)
        return 1
    return 0


def clean(data: Path, environ: Mapping[str, str]) -> None:
    """Leave nothing of the data folder but files.

    Raises CleanError, ConfigurationError.
    """
    with ExitStack() as stack:
        for lock in [*data.glob("lock"), *data.glob("events*/lock")]:
            stack.enter_context(_claimed(lock))
        _end_leftover(data)
        failures = [_failure(folder, note, environ) for folder, note in noted(data)]
    if text := "\n".join(filter(None, failures)):
        raise CleanError(text)


@contextmanager
def _claimed(lock: Path) -> Iterator[None]:
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            name = "make events" if lock.parent.name.startswith("events") else "make run"
            raise CleanError(f"`{name}` is at work here: stop it first, by Ctrl-C.") from None
        yield


def _end_leftover(data: Path) -> None:
    """A killed `make run` leaves its server and its function behind."""
    try:
        from dev import postmaster  # noqa: PLC0415 - it needs psutil
        from dev.child import Trace  # noqa: PLC0415 - the same
    except ImportError:
        return
    Trace(data / "function.pid").end_leftover()
    postmaster.halt(data / "cluster", "immediate")


def _failure(folder: Path, note: Note, environ: Mapping[str, str]) -> str:
    """Drop the slot; return why that was not possible, or nothing."""
    reason = _drop(note.slot, _settings(note, environ))
    return NOT_DROPPED.format(**asdict(note), reason=reason, folder=folder) if reason else ""


def _drop(slot: str, settings: PostgresSettings) -> str:
    try:
        from function.store import connection, driver, faults  # noqa: PLC0415 - they need pg8000
    except ImportError:
        return "the environment with PostgreSQL's driver is gone"
    try:
        with closing(connection.connect(settings, statement_timeout=10)) as session:
            session.run(DROP, slot=slot)
    except (driver.DatabaseError, *driver.CONNECTION_ERRORS) as exc:
        return faults.describe(exc)
    return ""


def _settings(note: Note, environ: Mapping[str, str]) -> PostgresSettings:
    """How to reach the slot's server: by DATABASE_URL if it names that one, else as noted."""
    if environ.get("DATABASE_URL"):
        given = load(environ).postgres
        if given.hosts == ((note.host, note.port),):
            return given
    return load({**environ, "DATABASE_URL": "", **note.variables()}).postgres


if __name__ == "__main__":
    sys.exit(main())
