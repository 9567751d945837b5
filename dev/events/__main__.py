"""`make events` (ARGS=--json: one JSON object per line): its arguments, and how it ends.

Events go to stdout, everything else to stderr.
"""

import argparse
import os
import sys
from pathlib import Path

from dev import paths
from dev.events.event import writer
from dev.events.follow import follow
from dev.events.other_server import OtherServer
from dev.events.places import EventsError, OwnServer, Place, claimed, say
from dev.supervisor import Stopped, StopRequest
from function.settings import ConfigurationError, load


def main() -> int:
    """Return 0 when the user or the reader stopped it, 1 when it can't continue, 2 when misused."""
    arguments = _arguments()
    os.umask(0o077)  # other users must not read what it keeps
    stop = StopRequest()
    try:
        place = _place(paths.data_folder(arguments.data))
        with claimed(place.folder):
            try:
                follow(place, writer(as_json=arguments.json), stop)
            except Stopped:
                say(f"Stopped. {place.end()}".strip())
            except BrokenPipeError:  # nobody reads stdout any more, as after `| head`
                place.end()
    except (EventsError, ConfigurationError, PermissionError) as exc:
        say(str(exc))
        return 1
    except OSError as exc:
        say(f"Events can't be written to stdout: {exc.strerror}.")
        return 1
    return 0


def _place(data: Path) -> Place:
    if os.environ.get("DATABASE_URL"):
        return OtherServer(data, load(os.environ).postgres)
    return OwnServer(data)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make events", description="Show the events of the feedback, by a real Debezium."
    )
    parser.add_argument("--json", action="store_true", help="one JSON object per line")
    parser.add_argument(
        "--data",
        type=Path,
        default=paths.CLONE / ".data",
        metavar="FOLDER",
        help="the data folder of `make run` (default: the clone's)",
    )
    return parser.parse_args()


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    # Debezium is closed and its offsets are written. The rest of Java would take time to end, or
    # hang with its server.
    os._exit(code)
