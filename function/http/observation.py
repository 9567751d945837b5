"""What metrics tell of requests.

https://opentelemetry.io/docs/specs/semconv/http/
"""

import time

from function.http.messages import Request
from function.metrics import HTTP_ACTIVE, HTTP_DURATION, OTHER

METHODS = frozenset(
    ("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE")
)
ABANDONED = "client_disconnected"


def begin(request: Request) -> None:
    """Note that a request is under way."""
    HTTP_ACTIVE.add(1, _method(request))


def end(request: Request, route: str, status: int | None, started: float) -> None:
    """Note its answer; the status is None where no client was left to read it."""
    method = _method(request)
    HTTP_ACTIVE.add(-1, method)
    code = str(status or "")
    error = ABANDONED if status is None else code if status >= 500 else ""
    HTTP_DURATION.observe(time.perf_counter() - started, method, route, code, error)


def _method(request: Request) -> str:
    return request.method if request.method in METHODS else OTHER
