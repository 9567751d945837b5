"""Telemetry: what was counted, traced and profiled, for a scrape and for servers."""

import logging
import threading
import time
from typing import Protocol

from function import logs, tracing
from function.otel_settings import OtlpSettings
from function.profile_settings import ProfileSettings

STOP_TIMEOUT = 2.0  # seconds; a platform kills the process 30 s after SIGTERM

log = logging.getLogger("function.telemetry")


class Work(Protocol):
    """Sends something until it is stopped."""

    def run(self) -> None:
        """Work in a thread of its own, and return after stop()."""
        ...

    def stop(self) -> None:
        """Send what is left."""
        ...


class Telemetry:
    """Sends telemetry in threads, so that no request waits for a server."""

    def __init__(self, otlp: OtlpSettings | None, profiles: ProfileSettings | None) -> None:
        self._threads: list[threading.Thread] = []
        self._works: list[Work] = []
        if otlp:
            from function.telemetry.export import Exporter

            exporter = Exporter(otlp)
            self._works.append(exporter)
            if otlp.traces:
                tracing.enable(otlp.sampler, exporter.spans)
            if otlp.logs:
                logs.export(exporter.lines.add)
        if profiles:
            from function.telemetry.profiles import Profiler

            self._works.append(Profiler(profiles))

    def start(self) -> None:
        """Begin, in daemon threads; after that this does nothing."""
        if not self._threads:
            self._threads = [
                threading.Thread(target=_run, args=(work,), name=logs.EXPORT_THREAD, daemon=True)
                for work in self._works
            ]
            for thread in self._threads:
                thread.start()

    def stop(self) -> None:
        """Send for the last time, for at most STOP_TIMEOUT.

        The libraries' own flush and shutdown take up to 27 s with a server that does not answer.
        """
        for work in self._works:
            work.stop()
        self.start()
        deadline = time.monotonic() + STOP_TIMEOUT
        for thread in self._threads:
            thread.join(max(0, deadline - time.monotonic()))
        if any(thread.is_alive() for thread in self._threads):
            log.warning("last telemetry not sent", extra={"seconds": STOP_TIMEOUT})


def _run(work: Work) -> None:
    try:
        work.run()
    except Exception:
        log.exception("internal error")
