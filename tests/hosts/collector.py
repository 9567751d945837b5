"""A collector that keeps what it gets by OTLP over HTTP."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import ResourceMetrics
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from dev.http_server import Request, serving
from tests.waiting import wait_until


class Collector:
    """What came, decoded; `bodies` are the bytes."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.spans: list[Span] = []
        self.lines: list[LogRecord] = []
        self.metrics: list[ResourceMetrics] = []
        self.url = ""
        self.refused = ""  # a path that is answered with `refusal`
        self.refusal = 404
        self.refusals = 0

    def take(self, path: str, body: bytes) -> None:
        self.bodies.append(body)
        if path == "/v1/traces":
            request = ExportTraceServiceRequest.FromString(body)
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    self.spans.extend(scope.spans)
        elif path == "/v1/logs":
            for logged in ExportLogsServiceRequest.FromString(body).resource_logs:
                for lines in logged.scope_logs:
                    self.lines.extend(lines.log_records)
        else:
            self.metrics.extend(ExportMetricsServiceRequest.FromString(body).resource_metrics)

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]

    def metric(self, name: str) -> Any:
        """The metric, as it came last."""
        [scope] = self.metrics[-1].scope_metrics
        return next(one for one in scope.metrics if one.name == name)

    def wait(self, condition: Callable[[], object]) -> None:
        wait_until(lambda: bool(condition()), 60)


def attributes(found: Iterable[KeyValue]) -> dict[str, Any]:
    return {one.key: _value(one.value) for one in found}


def _value(value: AnyValue) -> Any:
    if value.HasField("array_value"):
        return [_value(one) for one in value.array_value.values]
    return getattr(value, str(value.WhichOneof("value")))


@contextmanager
def collecting() -> Iterator[Collector]:
    collector = Collector()

    def take(request: Request) -> None:
        body = request.body()
        refused = request.path == collector.refused
        if refused:
            collector.refusals += 1
        else:
            collector.take(request.path, body)
        request.answer(collector.refusal if refused else 200)

    with serving(take) as port:
        collector.url = f"http://127.0.0.1:{port}"
        yield collector
