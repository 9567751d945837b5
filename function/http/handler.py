"""HTTP requests: find the endpoint, let it answer, and turn each failure into an answer."""

import errno
import logging
from collections.abc import Awaitable, Callable

from function import errors
from function.http import messages
from function.http.access import Access
from function.http.delivery import parse_delivery
from function.http.messages import Request, Response
from function.http.metrics import MetricsPage
from function.http.origins import answer_preflight, is_preflight
from function.metrics_settings import MetricsSettings
from function.service import Service
from function.store import Store
from function.store.jobs import RowRefused

Endpoint = Callable[[Request], Awaitable[Response]]

EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)  # descriptors, memory

log = logging.getLogger("function.http.handler")


class Handler:
    """Answers requests. It uses the store only for the readiness check."""

    def __init__(
        self,
        service: Service,
        store: Store,
        access: Access,
        *,
        docs: bool,
        metrics: MetricsSettings | None = None,
    ) -> None:
        self._service = service
        self._store = store
        self._access = access
        self._routes: dict[str, tuple[str, Endpoint]] = {
            "": ("POST", self.take_feedback),  # where platforms send events
            "/api/v1/feedback": ("POST", self.take_feedback),
            "/v1/feedback": ("POST", self.take_feedback),
            "/health/startup": ("GET", _say("started")),
            "/health/liveness": ("GET", _say("ok")),
            "/_/health": ("GET", _say("ok")),
            "/health/ready": ("GET", self.tell_readiness),
            "/health/readiness": ("GET", self.tell_readiness),
            "/_/ready": ("GET", self.tell_readiness),
            "/openapi.json": ("GET", _show_docs),
        }
        if docs:
            self._routes["/docs"] = ("GET", _show_docs)
        if metrics and metrics.served:
            self._routes["/metrics"] = ("GET", MetricsPage(metrics.token_file).show)

    async def handle(self, request: Request) -> Response:
        """Answer the request, and let a page of an allowed origin read the answer."""
        origins = self._access.origins
        try:
            origins.check(request)
            endpoint = self._route(request)
            response = await endpoint(request)
        except errors.ClientDisconnected:
            raise
        except errors.RequestError as exc:
            response = messages.error_response(request, exc)
        except RowRefused as exc:
            log.exception("internal error", extra={"reason": str(exc)})
            response = messages.internal_error_response(request)
        except Exception as exc:
            if isinstance(exc, MemoryError) or getattr(exc, "errno", None) in EXHAUSTED:
                log.error("out of resources", extra={"reason": type(exc).__name__})
                error = errors.Unavailable("the instance is out of resources")
                response = messages.error_response(request, error)
            else:
                log.exception("internal error")
                response = messages.internal_error_response(request)
        return origins.expose(request, response)

    def _route(self, request: Request) -> Endpoint:
        path = _template(request.path)
        if path not in self._routes:
            raise errors.NotFound("there is nothing at this path")
        if self._leads_to_docs(request, path):
            return _show_docs
        if is_preflight(request):
            return answer_preflight
        method, endpoint = self._routes[path]
        allowed = ("GET", "HEAD") if method == "GET" else (method,)
        if request.method not in allowed:
            raise errors.MethodNotAllowed(f"only {' and '.join(allowed)} can be used here", allowed)
        return endpoint

    def route(self, path: str) -> str:
        """Return the route of a path; "" where there is none, so that routes are few."""
        template = _template(path)
        return (template or "/") if template in self._routes else ""

    def _leads_to_docs(self, request: Request, path: str) -> bool:
        """Tell a browser that opens the function's address."""
        if path or request.method not in ("GET", "HEAD") or "/docs" not in self._routes:
            return False
        if not messages.prefers(request, "text/html", messages.JSON, messages.PROBLEM):
            return False
        from function.http import docs

        return docs.is_installed()

    async def take_feedback(self, request: Request) -> Response:
        """Store one submission, or a batch as a whole."""
        caller = await self._access.identify(request)
        submissions, respond = parse_delivery(request.headers, await request.read())
        self._access.admit(caller, [one.feedback.student_id for one in submissions])
        return respond(await self._service.keep(submissions))

    async def tell_readiness(self, request: Request) -> Response:
        """An instance is ready while it could insert a row."""
        if await self._store.is_ready():
            return Response(200, b'{"status": "ready"}')
        return Response(503, b'{"status": "not ready"}')


def _template(path: str) -> str:
    return "/docs" if path.startswith("/docs/") else path.removesuffix("/")


def _say(status: str) -> Endpoint:
    response = Response(200, b'{"status": "%s"}' % status.encode())

    async def endpoint(request: Request) -> Response:
        return response

    return endpoint


async def _show_docs(request: Request) -> Response:
    from function.http import docs  # few requests need it

    return docs.find(request.path)
