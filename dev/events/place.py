"""What the two places that events come from have in common: see own_server.py, other_server.py."""

import fcntl
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from function.postgres_settings import PostgresSettings


class EventsError(Exception):
    """`make events` can't go on; the text tells its user what to do."""


class NotReady(Exception):
    """Something is missing that may come by itself; the text says what is waited for."""


class Place(Protocol):
    """A database whose feedback is followed."""

    name: str  # for a person
    slot: str
    folder: Path  # what is kept from one start to the next

    def ready(self) -> PostgresSettings:
        """How Debezium reaches the database, which has all that it needs.

        Raises NotReady, EventsError.
        """
        ...

    def is_leaving(self) -> bool:
        """Whether the server is going away, and waits until nobody follows it any more."""
        ...

    def remember(self) -> None:
        """Called before the slot is made, for `make clean`."""
        ...


def say(text: str) -> None:
    """Tell the user; stdout is for events only."""
    with suppress(OSError):  # a terminal that is gone
        print(text, file=sys.stderr, flush=True)


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Own the folder, by a lock that ends with the process.

    Raises EventsError when another process does.
    """
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise EventsError(
                "Another `make events` of this clone follows this database: see there, or stop it."
            ) from None
        yield
