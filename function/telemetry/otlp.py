"""Metrics, spans and the log by OTLP over HTTP, with OpenTelemetry's exporters.

The SDK's own spans and counters are not used: function/tracing.py and function/metrics.py say why.
https://opentelemetry.io/docs/specs/otel/protocol/exporter/
"""

import logging
import time
import uuid
from collections.abc import Sequence

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.metrics.export import Metric as OtelMetric
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.span import TraceState

from function.logs import Line
from function.metrics import Metric, Series, read_all
from function.otel_settings import OtlpSettings
from function.process import version
from function.telemetry.session import Session
from function.tracing import SPAN, TRACE, Span

CUMULATIVE = AggregationTemporality.CUMULATIVE

# The exporters log each failure, with texts of their own; function/telemetry/__init__.py says it.
logging.getLogger("opentelemetry").setLevel(logging.CRITICAL + 1)


class Otlp:
    """Sends to the collector that the variables OTEL_EXPORTER_OTLP_* name."""

    def __init__(self, settings: OtlpSettings) -> None:
        if settings.traces:
            self._spans = OTLPSpanExporter(timeout=settings.traces_timeout, session=Session())
        if settings.metrics:
            timeout = settings.metrics_timeout
            self._metrics = OTLPMetricExporter(timeout=timeout, session=Session())
        if settings.logs:
            from function.telemetry.otlp_log import LogExporter

            self._log = LogExporter(settings.logs_timeout, Session())
        own = {
            "service.name": "mentor-function",
            "service.version": version()[0],
            "service.instance.id": str(uuid.uuid4()),
        }
        self._resource = Resource.create({**own, **OTELResourceDetector().detect().attributes})
        self._scope = InstrumentationScope("function", version()[0])

    def send_spans(self, spans: Sequence[Span]) -> bool:
        """Return whether the collector took them; it has the timeout for it."""
        readable = [self._readable(span) for span in spans]
        return self._spans.export(readable) is SpanExportResult.SUCCESS

    def send_lines(self, lines: Sequence[Line]) -> bool:
        """Return whether the collector took them."""
        return self._log.send(lines, self._resource, self._scope)

    def send_metrics(self) -> bool:
        """Return whether the collector took all of them."""
        found = [_metric(metric) for metric in read_all()]
        scope = ScopeMetrics(self._scope, [one for one in found if one.data.data_points], "")
        data = MetricsData([ResourceMetrics(self._resource, [scope], "")])
        return self._metrics.export(data) is MetricExportResult.SUCCESS

    def _readable(self, span: Span) -> ReadableSpan:
        state = TraceState.from_header([span.tracestate]) if span.tracestate else None
        parent = f"{span.traceparent[:36]}{span.parent_id}{span.traceparent[52:]}"
        remote = span.kind in ("SERVER", "CONSUMER")
        return ReadableSpan(
            name=span.name,
            context=_context(span.traceparent, state),
            parent=_context(parent, state, remote=remote) if span.parent_id else None,
            resource=self._resource,
            attributes=span.attributes,
            links=[Link(_context(one)) for one in span.links],
            kind=SpanKind[span.kind],
            status=Status(StatusCode.ERROR if span.failed else StatusCode.UNSET),
            start_time=span.started,
            end_time=span.ended,
            instrumentation_scope=self._scope,
        )


def _context(
    traceparent: str, state: TraceState | None = None, *, remote: bool = False
) -> SpanContext:
    flags = TraceFlags(int(traceparent[53:], 16))
    ids = int(traceparent[TRACE], 16), int(traceparent[SPAN], 16)
    return SpanContext(*ids, remote, flags, state)


def _metric(metric: Metric) -> OtelMetric:
    now = time.time_ns()
    points = [_point(metric, one, now) for one in metric.read()]
    data: Sum | Gauge | Histogram
    if metric.kind == "histogram":
        data = Histogram([one for one in points if isinstance(one, HistogramDataPoint)], CUMULATIVE)
    else:
        numbers = [one for one in points if isinstance(one, NumberDataPoint)]
        if metric.kind == "gauge":
            data = Gauge(numbers)
        else:
            data = Sum(numbers, CUMULATIVE, is_monotonic=metric.kind == "counter")
    return OtelMetric(metric.name, metric.description, metric.unit, data)


def _point(metric: Metric, series: Series, now: int) -> NumberDataPoint | HistogramDataPoint:
    named = zip(metric.label_names, series.labels, strict=True)
    labels = {name: label for name, label in named if label}
    if metric.kind != "histogram":
        return NumberDataPoint(labels, Metric.started_at, now, series.values[0])
    *buckets, total = series.values
    counts = [int(count) for count in buckets]
    bounds = [float(bound) for bound in metric.bounds]
    sums = sum(counts), total
    # The least and the greatest value are optional in the protocol, and not known here.
    return HistogramDataPoint(labels, Metric.started_at, now, *sums, counts, bounds, None, None)  # type: ignore[arg-type]  # fmt: skip
