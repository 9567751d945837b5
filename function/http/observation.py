"""What metrics and spans tell of requests.

https://opentelemetry.io/docs/specs/semconv/http/
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import count

from function import tracing
from function.http.messages import Request
from function.metrics import HTTP_ACTIVE, HTTP_DURATION, OTHER, Metric
from function.tracing import Attributes, Span

METHODS = frozenset(
    ("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE")
)
# Those that a route takes; with all of them strangers could use up the series of a metric.
COUNTED = frozenset(("GET", "HEAD", "OPTIONS", "POST"))
ABANDONED = "client_disconnected"
PROBES = ("/health/", "/_/", "/metrics")  # too frequent for spans
PATH_LIMIT = 200  # characters

_numbers = count()  # of the requests of this instance, without probes


def begin(request: Request) -> None:
    """Note that a request is under way."""
    if Metric.enabled:
        HTTP_ACTIVE.add(1, _method(request, COUNTED))


def begin_span(path: str, headers: Mapping[str, str], caller: str, version: str) -> None:
    """Begin the span of the request; the context of its task keeps it."""
    if not tracing.buffer or path.startswith(PROBES):
        return
    first = next(_numbers) == 0
    state = headers.get("tracestate", "")
    if span := tracing.begin("SERVER", "", headers["traceparent"], caller, state):
        span.attributes = {"network.protocol.version": version, "faas.coldstart": first}
        tracing.current.set([span])


def end(
    request: Request, find_route: Callable[[str], str], status: int | None, started: float
) -> None:
    """Note its answer; the status is None where no client was left to read it."""
    spans = tracing.current.get()
    if not (spans or Metric.enabled):
        return
    route = find_route(request.path)
    if Metric.enabled:
        method, code = _method(request, COUNTED), str(status or "")
        HTTP_ACTIVE.add(-1, method)
        seconds = time.perf_counter() - started
        HTTP_DURATION.observe(seconds, method, route, code, _error_type(status))
    if spans:
        _end_spans(spans, request, route, status)


def _error_type(status: int | None) -> str:
    if status is None:
        return ABANDONED
    return str(status) if status >= 500 else ""


def _end_spans(spans: Sequence[Span], request: Request, route: str, status: int | None) -> None:
    attributes: Attributes = {
        "http.request.method": _method(request, METHODS),
        "url.scheme": "http",
        "url.path": request.path[:PATH_LIMIT],
    }
    if route:
        attributes["http.route"] = route
    if status:
        attributes["http.response.status_code"] = status
    if error := _error_type(status):
        attributes["error.type"] = error
    for span in spans:
        if span.kind == "SERVER":
            span.name = f"{_method(request, METHODS)} {route}".strip()
            span.attributes |= attributes
        span.failed = bool(status and status >= 500)
        span.finish()


def _method(request: Request, known: Collection[str]) -> str:
    return request.method if request.method in known else OTHER
