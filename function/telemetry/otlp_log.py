"""The log by OTLP. OpenTelemetry's log API for Python is not public yet, and so only used here."""

from collections.abc import Sequence

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExportResult
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import NonRecordingSpan, SpanContext, set_span_in_context

from function.logs import Line
from function.telemetry.session import Session

SEVERITIES = {
    "DEBUG": SeverityNumber.DEBUG,
    "INFO": SeverityNumber.INFO,
    "WARNING": SeverityNumber.WARN,
    "ERROR": SeverityNumber.ERROR,
    "CRITICAL": SeverityNumber.FATAL,
}
IDS = ("trace_id", "span_id")


class LogExporter:
    """Sends lines of the log; the severities and ids have fields of their own in the protocol."""

    def __init__(self, timeout: float, session: Session) -> None:
        self._exporter = OTLPLogExporter(timeout=timeout, session=session)

    def send(self, lines: Sequence[Line], resource: Resource, scope: InstrumentationScope) -> bool:
        """Return whether the collector took them."""
        records = [ReadableLogRecord(_record(line), resource, scope) for line in lines]
        return self._exporter.export(records) is LogRecordExportResult.SUCCESS


def _record(line: Line) -> LogRecord:
    when = int(line.when * 1e9)
    fields = {
        name: value if isinstance(value, str | int | float) else str(value)
        for name, value in line.fields.items()
        if name not in IDS and value is not None
    }
    return LogRecord(
        timestamp=when,
        observed_timestamp=when,
        context=_context(line),
        severity_text=line.level,
        severity_number=SEVERITIES.get(line.level),
        body=line.event,
        attributes=fields,
    )


def _context(line: Line) -> Context:
    trace_id, span_id = (int(str(line.fields.get(name, "0")), 16) for name in IDS)
    span = NonRecordingSpan(SpanContext(trace_id, span_id, is_remote=False))
    return set_span_in_context(span, Context())
