"""Sends metrics and spans to a collector, again and again."""

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

REST = 3  # times as long as a batch took of the CPU, so that requests have most of it

log = logging.getLogger("function.telemetry")


class Exporter:
    """Exports what was counted and traced, in a thread of its own."""

    def __init__(self, settings: OtlpSettings) -> None:
        self._settings = settings
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self.finished = Buffer(settings.queue_size, settings.batch_size, self._wake.set)
        self._failing = False

    def stop(self) -> None:
        """Let run() export for the last time, and return."""
        self._stopping.set()
        self._wake.set()

    def run(self) -> None:
        """Export until stop(). OpenTelemetry's exporters are imported here: that takes 0.2 s."""
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
