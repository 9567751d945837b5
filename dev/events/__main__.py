"""`make events` (ARGS=--json: one JSON object a line): what it is told, and how it ends.

Events go to stdout, all else to stderr.
"""

import argparse
import os
import sys
from pathlib import Path

from dev.child import Stopped, StopRequest
from dev.events.follow import follow
from dev.events.output import Output, ReaderGone
from dev.events.place import EventsError, Place, say
from dev.events.servers import place_for
from dev.places import CLONE


def main() -> int:
    """Return 0 when somebody stopped it or reads no more, 1 when it can't go on, 2 when misused."""
    arguments = _arguments()
    os.umask(0o077)  # what it keeps is nobody else's business
    stop = StopRequest()
    try:
        with place_for(arguments.data, os.environ) as place:
            return _follow(place, Output(stop, as_json=arguments.json), stop)
    except EventsError as exc:
        say(str(exc))
        return 1


def _follow(place: Place, output: Output, stop: StopRequest) -> int:
    try:
        follow(place, output, stop)
    except Stopped:
        say("Stopped. The next `make events` goes on from here.")
    except ReaderGone:
        pass
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make events", description="Show the events of the feedback, by a real Debezium."
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument(
        "--data",
        type=Path,
        default=CLONE / ".data",
        metavar="FOLDER",
        help="where the PostgreSQL of `make run` has its data (default: the clone's)",
    )
    return parser.parse_args()


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    # Debezium is closed and its offsets are written. What is left of Java would take its time, or
    # hang where its server does.
    os._exit(code)
