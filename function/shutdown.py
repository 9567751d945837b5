"""The end of an instance: the signal, a while in which requests still come, then the drain."""

import threading
from types import FrameType

from uvicorn.config import Config
from uvicorn.server import Server


class PatientServer(Server):
    """uvicorn's server, which after the first signal goes on as before for `delay` seconds.

    For platforms that signal before all who send requests have heard of it. A second signal ends
    the wait.
    """

    def __init__(self, config: Config, delay: float) -> None:
        super().__init__(config)
        self._delay = delay

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        delay, self._delay = self._delay, 0
        if not delay:
            super().handle_exit(sig, frame)
            return
        timer = threading.Timer(delay, setattr, (self, "should_exit", True))
        timer.daemon = True
        timer.start()
