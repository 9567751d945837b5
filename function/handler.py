"""The way of a request through the function: route, parse, analyze, store, respond."""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable

from pydantic_core import to_json

from function.analysis import Analyzer
from function.errors import (
    ClientDisconnected,
    IdempotencyKeyReused,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    RequestError,
)
from function.exchange import Request, Response, error_response, internal_error_response
from function.feedback import Entry, Feedback, StoredEntry, StrategyUpdate, parse_feedback
from function.identity import new_id, parse_idempotency_key, repeatable_id
from function.store import CHECK_TIMEOUT, Store
from function.trace import continue_trace

Endpoint = Callable[[Request], Awaitable[Response]]

log = logging.getLogger("function.handler")


class Handler:
    """Answers requests, with the analyzer and the store that it is handed."""

    def __init__(self, analyzer: Analyzer, store: Store, *, docs: bool) -> None:
        self._analyzer = analyzer
        self._store = store
        self._routes: dict[str, tuple[str, Endpoint]] = {
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
        """Answer the request; each failure is turned into an answer here."""
        try:
            endpoint = self._route(request)
            return await endpoint(request)
        except ClientDisconnected:
            raise
        except RequestError as exc:
            return error_response(request, exc)
        except Exception:
            log.exception("internal error")
            return internal_error_response(request)

    def _route(self, request: Request) -> Endpoint:
        path = request.path.removesuffix("/")
        if path.startswith("/docs/"):
            path = "/docs"
        if path not in self._routes:
            raise NotFound("there is nothing at this path")
        method, endpoint = self._routes[path]
        allowed = ("GET", "HEAD") if method == "GET" else (method,)
        if request.method not in allowed:
            raise MethodNotAllowed(f"only {' and '.join(allowed)} can be used here", allowed)
        return endpoint

    async def take_feedback(self, request: Request) -> Response:
        """The main path."""
        feedback = parse_feedback(_parse_json(await request.read()))
        key = request.headers.get("idempotency-key")
        row_id, stored, waited = new_id(), None, 0.0
        if key is not None:
            row_id = repeatable_id(feedback.student_id, parse_idempotency_key(key))
            started = time.monotonic()
            stored = await self._store.find(row_id)
            waited = time.monotonic() - started
        if stored is None:
            strategy = await self._analyzer.analyze(feedback)
            traceparent = continue_trace(request.headers.get("traceparent", ""))
            entry = Entry(row_id, feedback, strategy, traceparent)
            stored = await self._store.insert(entry, waited=waited)
        return _respond(feedback, stored, replayed=key is not None and stored.repeated)

    async def tell_readiness(self, request: Request) -> Response:
        """Ready is who can reach PostgreSQL and finds the table there."""
        check = self._store.check()
        answer = asyncio.wrap_future(check.answer)
        await asyncio.wait([answer], timeout=check.time_left(CHECK_TIMEOUT))
        if answer.done() and answer.result():
            return Response(200, b'{"status": "ready"}')
        return Response(503, b'{"status": "not ready"}')


def _respond(feedback: Feedback, stored: StoredEntry, *, replayed: bool) -> Response:
    if (stored.task_id, stored.message) != (feedback.task_id, feedback.message):
        raise IdempotencyKeyReused("this Idempotency-Key was used with another payload")
    update = StrategyUpdate(
        student_id=str(feedback.student_id),
        task_id=stored.task_id,
        difficulty_adjustment=stored.strategy.difficulty_adjustment,
        topic_weights=stored.strategy.topic_weights,
        sentiment=stored.strategy.sentiment,
        strategy_snapshot=stored.strategy.snapshot,
        timestamp=stored.created_at,
    )
    headers = (("Idempotency-Replayed", "true"),) if replayed else ()
    return Response(200, to_json(update), headers=headers)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


# No number is looked at, so none is too long to be an int.
_json = json.JSONDecoder(parse_constant=_refuse_constant, parse_int=float)


def _parse_json(body: bytes) -> object:
    """Parse UTF-8 JSON, with U+FFFD for what is not UTF-8, and with or without a BOM."""
    try:
        return _json.decode(body.decode("utf-8-sig", errors="replace"))
    except (ValueError, RecursionError):
        raise InvalidRequest("the body is not valid JSON") from None


def _say(status: str) -> Endpoint:
    response = Response(200, b'{"status": "%s"}' % status.encode())

    async def endpoint(request: Request) -> Response:
        return response

    return endpoint


async def _describe_api(request: Request) -> Response:
    from function import openapi  # only who asks for the description pays for its import

    return Response(200, openapi.document())


async def _show_docs(request: Request) -> Response:
    from function import docs  # as above

    page = docs.find(request.path)
    return Response(200, page.content, page.content_type)
