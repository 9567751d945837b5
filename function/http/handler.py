"""The way of a request through the function: route, parse, analyze, store, respond."""

import asyncio
import errno
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID
from weakref import WeakValueDictionary

from function.analysis import Analyzer
from function.errors import (
    ClientDisconnected,
    MethodNotAllowed,
    NotFound,
    RequestError,
    Unavailable,
)
from function.feedback import Entry, Feedback, Stored, Strategy
from function.http.access import Access
from function.http.messages import (
    JSON,
    PROBLEM,
    Request,
    Response,
    error_response,
    internal_error_response,
    prefers,
)
from function.http.origins import answer_preflight, is_preflight
from function.http.submission import Submission, parse_delivery, require_same
from function.http.traceparent import continue_trace
from function.store import Store
from function.store.jobs import RowRefused

Endpoint = Callable[[Request], Awaitable[Response]]

EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)  # descriptors, memory

log = logging.getLogger("function.http.handler")


class Handler:
    """Answers requests, with the analyzer and the store that it is handed."""

    def __init__(self, analyzer: Analyzer, store: Store, access: Access, *, docs: bool) -> None:
        self._analyzer = analyzer
        self._store = store
        self._access = access
        self._analyses: WeakValueDictionary[tuple[UUID, Feedback], asyncio.Task[Strategy]] = (
            WeakValueDictionary()
        )
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
            "/openapi.json": ("GET", _describe_api),
        }
        if docs:
            self._routes["/docs"] = ("GET", _show_docs)

    async def handle(self, request: Request) -> Response:
        """Answer the request, and let a page of an allowed origin read the answer."""
        return self._access.origins.expose(request, await self._answer(request))

    async def _answer(self, request: Request) -> Response:
        """Each failure is turned into an answer here."""
        try:
            self._access.origins.check(request)
            endpoint = self._route(request)
            return await endpoint(request)
        except ClientDisconnected:
            raise
        except RequestError as exc:
            return error_response(request, exc)
        except RowRefused as exc:
            log.exception("internal error", extra={"reason": str(exc)})
            return internal_error_response(request)
        except Exception as exc:
            if isinstance(exc, MemoryError) or getattr(exc, "errno", None) in EXHAUSTED:
                log.error("out of resources", extra={"reason": type(exc).__name__})
                return error_response(request, Unavailable("the instance is out of resources"))
            log.exception("internal error")
            return internal_error_response(request)

    def _route(self, request: Request) -> Endpoint:
        path = request.path.removesuffix("/")
        if path.startswith("/docs/"):
            path = "/docs"
        if path not in self._routes:
            raise NotFound("there is nothing at this path")
        if self._leads_to_docs(request, path):
            return _redirect_to_docs
        if is_preflight(request):
            return answer_preflight
        method, endpoint = self._routes[path]
        allowed = ("GET", "HEAD") if method == "GET" else (method,)
        if request.method not in allowed:
            raise MethodNotAllowed(f"only {' and '.join(allowed)} can be used here", allowed)
        return endpoint

    def _leads_to_docs(self, request: Request, path: str) -> bool:
        """Tell a person who opens the function's address in a browser."""
        to_read = path == "" and request.method in ("GET", "HEAD") and "/docs" in self._routes
        if not to_read or not prefers(request, "text/html", JSON, PROBLEM):
            return False
        from function.http import docs

        return docs.is_installed()

    async def take_feedback(self, request: Request) -> Response:
        """The main path, for one submission and for a batch, which is stored as a whole."""
        caller = await self._access.identify(request)
        submissions, respond = parse_delivery(request.headers, await request.read())
        self._access.admit(caller, [one.feedback.student_id for one in submissions])
        stored, waited = await self._find_repeats(submissions)
        new = {one.row_id: one for one in submissions if one.row_id not in stored}
        analyses = [self._analyze(one) for one in new.values()]  # kept until they are stored
        entries = [
            await _make_entry(one, analysis)
            for one, analysis in zip(new.values(), analyses, strict=True)
        ]
        stored |= await self._store.insert(entries, waited=waited)
        require_same(submissions, stored)  # another request may have been faster
        return respond(submissions, stored)

    async def _find_repeats(self, submissions: Sequence[Submission]) -> tuple[Stored, float]:
        """Return what is there already, which costs no analysis, and how long the look took."""
        if not submissions or not submissions[0].key:  # with one key, all have one
            return {}, 0.0
        started = time.monotonic()
        stored = await self._store.find([one.row_id for one in submissions])
        require_same(submissions, stored)
        return stored, time.monotonic() - started

    def _analyze(self, submission: Submission) -> Awaitable[Strategy]:
        """Begin the analysis, or join that of a repeat of the request at the same time."""
        if not submission.key:  # there is no repeat
            return self._analyzer.analyze(submission.feedback)
        known = (submission.row_id, submission.feedback)
        analysis = self._analyses.get(known)
        if analysis is None:
            analysis = asyncio.create_task(self._analyzer.analyze(submission.feedback))
            self._analyses[known] = analysis
        return analysis

    async def tell_readiness(self, request: Request) -> Response:
        """Ready is who could insert a row now."""
        if await self._store.is_ready():
            return Response(200, b'{"status": "ready"}')
        return Response(503, b'{"status": "not ready"}')


async def _make_entry(submission: Submission, analysis: Awaitable[Strategy]) -> Entry:
    # A shared one goes on when the first client goes away.
    strategy = await (asyncio.shield(analysis) if submission.key else analysis)
    traceparent = continue_trace(submission.traceparent, submission.span_id)
    return Entry(submission.row_id, submission.feedback, strategy, traceparent)


def _say(status: str) -> Endpoint:
    response = Response(200, b'{"status": "%s"}' % status.encode())

    async def endpoint(request: Request) -> Response:
        return response

    return endpoint


async def _describe_api(request: Request) -> Response:
    from function.http import openapi  # only who asks for the description pays for its import

    return Response(200, openapi.document())


async def _redirect_to_docs(request: Request) -> Response:
    """A relative address, for a gateway may serve the function below a path of its own."""
    headers = (("Location", "docs"), ("Vary", "Accept"))
    return Response(302, b"", "text/plain", headers)


async def _show_docs(request: Request) -> Response:
    from function.http import docs  # as above

    page = docs.find(request.path)
    return Response(200, page.content, page.content_type)
