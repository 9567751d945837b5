"""A place for traces: it takes spans by OTLP over HTTP, and shows a trace as text."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from dev.http_server import Request, serving
from dev.ports import HOST

# What a line of the tree shows of a span, besides its name, kind and duration.
SHOWN = (
    "http.response.status_code",
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.output_tokens",
    "mentor.group_commit.rows",
    "error.type",
)


class Line(NamedTuple):
    """A part of a trace: its id, the id of its parent, and what to say of it."""

    span_id: str
    parent_id: str
    text: str


class Sink:
    """The spans that came, the last ones at the end."""

    def __init__(self) -> None:
        self.url = ""
        self._spans: list[Span] = []

    def take(self, body: bytes) -> None:
        """Keep the spans of a request, at most some thousands."""
        request = ExportTraceServiceRequest.FromString(body)
        found = [
            span
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]
        self._spans = [*self._spans[-5000:], *found]

    def trace(self, trace_id: str) -> list[Span]:
        """The spans of this trace, so far."""
        return [span for span in self._spans if span.trace_id.hex() == trace_id]


@contextmanager
def receiving() -> Iterator[Sink]:
    """Take spans until the end of the block."""
    sink = Sink()

    def take(request: Request) -> None:
        sink.take(request.body())
        request.answer()

    with serving(take) as port:
        sink.url = f"http://{HOST}:{port}/v1/traces"
        yield sink


def describe(span: Span) -> Line:
    """What the tree says of a span."""
    kind = Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_")
    milliseconds = (span.end_time_unix_nano - span.start_time_unix_nano) / 1e6
    values = {one.key: one.value.string_value or one.value.int_value for one in span.attributes}
    shown = "".join(f"  {name}={values[name]}" for name in SHOWN if name in values)
    span_id = span.span_id.hex()
    text = f"{span.name}  {kind} {span_id}  {milliseconds:.1f} ms{shown}"
    return Line(span_id, span.parent_span_id.hex(), text)


def record(headers: Mapping[str, str], topic: str) -> Line:
    """What the tree says of a record in Kafka: it belongs to the span that its header names."""
    traceparent = headers["ce_traceparent"]
    text = f"{topic}  Kafka record  ce_traceparent={traceparent}"
    return Line("", traceparent.split("-")[2], text)


def tree(lines: Iterable[Line], parent_id: str, indent: str = "") -> Iterator[str]:
    """The lines below this parent, each with those below it."""
    lines = list(lines)
    children = [line for line in lines if line.parent_id == parent_id]
    for number, line in enumerate(children, 1):
        last = number == len(children)
        yield f"{indent}{'└─' if last else '├─'} {line.text}"
        if line.span_id:
            yield from tree(lines, line.span_id, indent + ("   " if last else "│  "))
