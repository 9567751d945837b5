"""Sends metrics, spans and the log to a collector, again and again."""

import logging
import threading
import time
from collections.abc import Callable, Sequence

from function import logs
from function.logs import Line
from function.metrics import LINES_DROPPED, SPANS_DROPPED
from function.otel_settings import OtlpSettings
from function.tracing import Buffer, Span, T

REST = 4  # times as long as a batch took of the CPU, so that requests have most of it

log = logging.getLogger("function.telemetry")


class Exporter:
    """Exports what was counted, traced and logged, in a thread of its own."""

    def __init__(self, settings: OtlpSettings) -> None:
        self._settings = settings
        self._stopping = threading.Event()
        self._wake = threading.Event()
        sizes = settings.queue_size, settings.batch_size
        self.spans: Buffer[Span] = Buffer(*sizes, self._wake.set, SPANS_DROPPED)
        self.lines: Buffer[Line] = Buffer(*sizes, self._wake.set, LINES_DROPPED)
        self._failing: set[str] = set()

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
            more = self._send_batch("spans", self.spans, otlp.send_spans)
            more |= self._send_batch("log", self.lines, otlp.send_lines)
            if self._settings.metrics and (time.monotonic() >= due or (last and not more)):
                due = time.monotonic() + self._settings.metrics_interval
                self._note("metrics", sent=otlp.send_metrics())
            if more:
                continue
            if last:
                return
            self._wake.wait(self._settings.batch_interval)
            self._wake.clear()

    def _send_batch(
        self, signal: str, buffer: Buffer[T], send: Callable[[Sequence[T]], bool]
    ) -> bool:
        """Send a batch, if anything waits; return whether there may be more."""
        batch = buffer.take()
        if batch:
            began = time.thread_time()
            sent = send(batch)
            if not sent:
                buffer.lost.add(len(batch))
            self._note(signal, sent=sent)
            self._stopping.wait(REST * (time.thread_time() - began))
        return len(batch) == buffer.batch

    def _note(self, signal: str, *, sent: bool) -> None:
        """Log the begin and the end of an outage."""
        if sent is (signal in self._failing):
            self._failing ^= {signal}
            text = "telemetry exported again" if sent else "telemetry not exported"
            log.warning(text, extra={"signal": signal})
            logs.flush()
