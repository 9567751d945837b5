"""Which pages may call from a browser: https://fetch.spec.whatwg.org/#http-cors-protocol

A browser names the page's origin in each POST, and a page can't change that. So an origin that is
not allowed is refused before anything is stored. Clients that are no browsers send no Origin.
"""

from function.errors import Forbidden
from function.http.messages import Request, Response

DEFAULT_PORTS = {"http": ":80", "https": ":443"}
PREFLIGHT = Response(
    200,
    b"",
    "text/plain",
    (
        ("Access-Control-Allow-Methods", "GET, HEAD, POST"),
        (
            "Access-Control-Allow-Headers",
            "Accept, Authorization, Content-Type, Idempotency-Key, X-Request-Id, traceparent",
        ),
        ("Access-Control-Max-Age", "600"),
    ),
)
EXPOSED = (
    "Access-Control-Expose-Headers",
    "Idempotency-Replayed, Retry-After, WWW-Authenticate, X-Request-Id",
)


class Origins:
    """The origins whose pages may call and read the answers, beside the function's own."""

    def __init__(self, allowed: tuple[str, ...]) -> None:
        self._allowed = frozenset(allowed)

    def check(self, request: Request) -> None:
        """Raise Forbidden for a page of another origin, and for `null`."""
        origin = request.headers.get("origin")
        if origin is None or origin in self._allowed or _is_own(origin, request):
            return
        raise Forbidden("pages of this origin may not call the function")

    def expose(self, request: Request, response: Response) -> Response:
        """Let a page of an allowed origin read the answer, also that of an error."""
        origin = request.headers.get("origin")
        if origin is None and not self._allowed:
            return response
        headers = (*response.headers, ("Vary", "Origin"))
        if origin in self._allowed:
            headers += (("Access-Control-Allow-Origin", origin), EXPOSED)
        return response._replace(headers=headers)


def is_preflight(request: Request) -> bool:
    """Tell a browser's question from another OPTIONS."""
    asked = ("origin", "access-control-request-method")
    return request.method == "OPTIONS" and all(name in request.headers for name in asked)


async def answer_preflight(request: Request) -> Response:
    """Say what an allowed origin may send."""
    return PREFLIGHT


def _is_own(origin: str, request: Request) -> bool:
    """Tell whether the page is the function's own, as /docs.

    Schemes are not compared: a proxy that ends TLS passes Host on, but not the scheme.
    """
    scheme, _, authority = origin.lower().partition("://")
    host = request.headers.get("host", "").lower()
    return scheme in DEFAULT_PORTS and authority == host.removesuffix(DEFAULT_PORTS[scheme]) != ""
