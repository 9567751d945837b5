"""The host for Knative's func-python, which serves an object with these methods.

https://github.com/knative/func/tree/main/templates/python/http
"""

import os
from collections.abc import Mapping

from function import logs
from function.asgi import Message, Receive, Send, create_application
from function.settings import load_or_exit
from function.store import Store

DRAIN_TIMEOUT = 25  # seconds; Kubernetes kills 30 s after its SIGTERM
BLOCKING_LIMIT = 0.2  # seconds for which a probe may hold up the event loop


class KnativeFunction:
    """One instance. Its methods but `handle` are called synchronously, on the event loop."""

    def __init__(self) -> None:
        settings = load_or_exit(os.environ)
        logs.configure(settings.log_level)
        self._store = Store(settings.postgres, settings.database_timeout)
        self._application = create_application(settings, self._store)
        _leave_time_to_answer()

    def start(self, cfg: Mapping[str, str]) -> None:
        """Begin to connect. The configuration was read before, where a mistake ends the process."""
        self._store.start()

    def stop(self) -> None:
        """Finish what waits for PostgreSQL."""
        self._store.close()

    def alive(self) -> tuple[bool, str]:
        return True, "ok"

    def ready(self) -> tuple[bool, str]:
        """Say whether PostgreSQL answers, and that soon: the loop waits meanwhile."""
        check = self._store.check()
        try:
            ready = check.answer.result(check.time_left(BLOCKING_LIMIT))
        except TimeoutError:
            ready = False
        return (True, "ready") if ready else (False, "not ready")

    async def handle(self, scope: Message, receive: Receive, send: Send) -> None:
        await self._application(scope, receive, send)


def _leave_time_to_answer() -> None:
    """Let hypercorn wait for the requests under way: 3 s are too short for a model.

    func-python makes hypercorn's configuration itself, after this, and takes no settings for it.
    """
    from hypercorn.config import Config

    Config.graceful_timeout = DRAIN_TIMEOUT
