"""stdout, written such that a reader who pauses (less, Ctrl-S) holds up no Ctrl-C."""

import os
import select
import sys

from dev.child import StopRequest
from dev.events.event import Event, as_json, as_text
from dev.events.place import EventsError

STDOUT = 1


class ReaderGone(Exception):
    """Nobody reads stdout any more, as after `| head`."""


class Output:
    """Where events are shown; each is out before the call returns."""

    def __init__(self, stop: StopRequest, *, as_json: bool) -> None:
        self._stop = stop
        self._as_json = as_json
        self._colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR")

    def show(self, event: Event) -> None:
        """Raises ReaderGone, Stopped, EventsError: then the next start shows it again, in full."""
        text = as_json(event) if self._as_json else as_text(event, colours=self._colours)
        left = memoryview(text.encode())
        while left:
            self._wait_until_taken()
            try:
                left = left[os.write(STDOUT, left[: select.PIPE_BUF]) :]
            except BrokenPipeError:
                raise ReaderGone from None
            except OSError as exc:
                raise EventsError(f"Events can't be written to stdout: {exc.strerror}.") from exc

    def check(self) -> None:
        """Raise ReaderGone as soon as it is known, not at the next event."""
        poll = select.poll()
        poll.register(STDOUT, 0)
        if any(found & select.POLLERR for _, found in poll.poll(0)):
            raise ReaderGone

    def _wait_until_taken(self) -> None:
        """Wait until a write of PIPE_BUF bytes returns at once."""
        ready = False
        while not ready:
            self._stop.check()
            ready = bool(select.select([], [STDOUT], [], 0.1)[1])
