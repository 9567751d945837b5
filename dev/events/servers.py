"""Which database is followed: DATABASE_URL's, or else that of `make run`."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from dev import account, places
from dev.events.other_server import OtherServer
from dev.events.own_server import OwnServer
from dev.events.place import EventsError, Place, claimed
from function.settings import ConfigurationError, load


@contextmanager
def place_for(data: Path, environ: Mapping[str, str]) -> Iterator[Place]:
    """The place, owned by this process until the end of the block.

    Raises EventsError.
    """
    with ExitStack() as stack:
        try:
            place = _place(places.folder_for(account.unprivileged(), data), environ)
            place.folder.mkdir(exist_ok=True)
            stack.enter_context(claimed(place.folder))
        except (ConfigurationError, PermissionError) as exc:
            raise EventsError(str(exc)) from exc
        yield place


def _place(folder: Path, environ: Mapping[str, str]) -> Place:
    if environ.get("DATABASE_URL"):
        return OtherServer(folder, load(environ).postgres)
    return OwnServer(folder)
