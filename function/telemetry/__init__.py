"""Telemetry: what was counted and traced, for a scrape and for a collector."""

import logging
import threading
import time
from typing import TYPE_CHECKING

from function import logs
from function.metrics import SPANS_DROPPED
from function.otel_settings import OtlpSettings
from function.tracing import Buffer

if TYPE_CHECKING:
    from function.telemetry.otlp import Otlp

STOP_TIMEOUT = 2.0  # seconds; a platform kills the process 30 s after SIGTERM
REST = 3  # times as long as a batch took of the CPU, so that requests have most of it

log = logging.getLogger("function.telemetry")


class Exporter:
    """Sends metrics and spans in a thread, so that no request waits for a collector.

    The thread imports OpenTelemetry's exporters, which takes 0.2 s.
    """

    def __init__(self, settings: OtlpSettings) -> None:
        self._settings = settings
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self.finished = Buffer(settings.queue_size, settings.batch_size, self._wake.set)
        self._thread: threading.Thread | None = None
        self._failing = False

    def start(self) -> None:
        """Begin to export, in a daemon thread; after that this does nothing."""
        if not self._thread:
            self._thread = threading.Thread(target=self._run, name="telemetry", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Export for the last time, for at most STOP_TIMEOUT.

        Not by the exporters' own flush and shutdown, which take up to 10 s with a dead collector.
        """
        self._stopping.set()
        self._wake.set()
        self.start()
        assert self._thread
        self._thread.join(STOP_TIMEOUT)

    def _run(self) -> None:
        try:
            self._export()
        except Exception:
            log.exception("internal error")

    def _export(self) -> None:
        from function.telemetry.otlp import Otlp

        otlp = Otlp(self._settings)
        due = time.monotonic()
        while True:
            last = self._stopping.is_set()
            more = self._send_batch(otlp)
            if self._settings.metrics and (time.monotonic() >= due or (last and not more)):
                due = time.monotonic() + self._settings.metrics_interval
                self._note(0, sent=otlp.send_metrics())
            if more:
                continue
            if last:
                return
            self._wake.wait(self._settings.traces_interval)
            self._wake.clear()

    def _send_batch(self, otlp: "Otlp") -> bool:
        """Send a batch, if there are spans; return whether there may be more."""
        batch = self.finished.take()
        if batch:
            began = time.thread_time()
            self._note(len(batch), sent=otlp.send_spans(batch))
            self._stopping.wait(REST * (time.thread_time() - began))
        return len(batch) == self._settings.batch_size

    def _note(self, spans: int, *, sent: bool) -> None:
        """Log the begin and the end of an outage."""
        if not sent and spans:
            SPANS_DROPPED.add(spans)
        if sent is self._failing:
            self._failing = not sent
            log.warning("telemetry exported again" if sent else "telemetry not exported")
            logs.flush()
