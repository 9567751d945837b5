"""The function as one ASGI application, which each host serves.

https://asgi.readthedocs.io/en/latest/specs/www.html
"""

import asyncio
import logging
import random
import re
import threading
import time
from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from typing import TYPE_CHECKING, Any

from function import logs, metrics
from function.analysis import Analyzer, StubAnalyzer
from function.errors import ClientDisconnected, PayloadTooLarge, Unavailable
from function.http import observation
from function.http.access import make_access
from function.http.handler import Handler
from function.http.memory import NO_ROOM, Share
from function.http.messages import Request, Response
from function.http.traceparent import continue_trace
from function.service import Service
from function.settings import Settings
from function.store import Store

if TYPE_CHECKING:
    from function.telemetry import Telemetry

# ASGI's own types: its messages are dictionaries of anything.
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

BODY_LIMIT = 64 * 1024  # bytes
BODY_TIMEOUT_STATUS = 408
PIECE = 16 * 1024  # bytes of a body that are sent at a time
WRITE_TIMEOUT = 15  # seconds for a client to take a piece
WARM_DELAY = 1  # seconds after the first feedback; more requests arrive during a cold start
EXPORT_DELAY = 10  # seconds after the start, if no feedback comes
LOGGED = 200  # characters of a path or a method; Docker splits a line of the log at 16 KiB
ABSOLUTE_FORM = re.compile(r"https?://[^/]*", re.IGNORECASE)
REQUEST_ID = re.compile(r"[ -~]{1,128}")

log = logging.getLogger("function.http.asgi")


class Application:
    """The ASGI application; it owns the analyzer and the store."""

    def __init__(
        self, handler: Handler, analyzer: Analyzer, store: Store, telemetry: "Telemetry | None"
    ) -> None:
        self._handler = handler
        self._analyzer = analyzer
        self._store = store
        self._telemetry = telemetry
        self._warm = False

    def start(self) -> None:
        """Connect to PostgreSQL, and wake the model. Each host calls this on the event loop."""
        metrics.reach("listening")
        self._store.start()
        self._analyzer.start()
        if self._telemetry:  # also where no feedback comes
            asyncio.get_running_loop().call_later(EXPORT_DELAY, self._telemetry.start)

    async def aclose(self) -> None:
        """Close all connections. Each host calls this when all requests have their answers."""
        await self._analyzer.close()
        await self._store.close()
        if self._telemetry:
            self._telemetry.stop()
        logs.flush()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._answer(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._follow_lifespan(receive, send)
        else:
            raise NotImplementedError(f"the function does not speak {scope['type']}")

    async def _follow_lifespan(self, receive: Receive, send: Send) -> None:
        while (await receive())["type"] == "lifespan.startup":
            self.start()
            await send({"type": "lifespan.startup.complete"})
        await self.aclose()
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, scope: Message, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        share = Share()
        request = _request(scope, receive, share)
        request_id = _request_id(request)
        _, trace_id, span_id, _ = request.headers["traceparent"].split("-")
        fields = {"request_id": request_id, "trace_id": trace_id, "span_id": span_id}
        logs.request_fields.set(fields)
        observation.begin(request)
        try:
            response = await self._handler.handle(request)
            await _send(scope, send, response, request_id)
        except (ClientDisconnected, TimeoutError):  # the host closes the connection
            _log(request, 499, "CLIENT_DISCONNECTED", started)
            observation.end(request, self._handler.route, None, started)
            return
        finally:
            share.release()
        _log(request, response.status, response.code, started)
        observation.end(request, self._handler.route, response.status, started)
        if not self._warm and request.method == "POST":
            self._warm = True
            metrics.reach("first answer")
            warm_up = threading.Thread(target=_import_rest, name="warm-up", daemon=True)
            loop = asyncio.get_running_loop()
            loop.call_later(WARM_DELAY, warm_up.start)
            if self._telemetry:
                loop.call_later(WARM_DELAY, self._telemetry.start)


def _import_rest() -> None:
    """Import what few requests need: they can't import it when descriptors run out."""
    from function.http import cloudevents, docs  # noqa: F401 - for the requests to come

    docs.description()


def create_application(settings: Settings, store: Store) -> Application:
    """Put the function together; the host decides when the store starts."""
    if settings.unused:
        hint = "set LLM_PROVIDER, or correct the names"
        fields = {"variables": ", ".join(settings.unused), "hint": hint}
        log.warning("variables without effect", extra=fields)
    for warning in settings.warnings:
        log.warning("variable not followed", extra={"reason": warning})
    telemetry = _make_telemetry(settings)
    if settings.metrics.served or (settings.otlp and settings.otlp.metrics):
        metrics.enable()
    analyzer = _make_analyzer(settings)
    handler = Handler(
        *(Service(analyzer, store), store, make_access(settings)),
        docs=settings.docs,
        metrics=settings.metrics,
    )
    return Application(handler, analyzer, store, telemetry)


def _make_telemetry(settings: Settings) -> "Telemetry | None":
    if not (settings.otlp or settings.profiles):
        return None
    from function.telemetry import Telemetry  # an instance without a collector does without it

    return Telemetry(settings.otlp, settings.profiles)


def _make_analyzer(settings: Settings) -> Analyzer:
    if settings.llm is None:
        return StubAnalyzer()
    from function.llm.analyzer import LlmAnalyzer  # the stub does without it

    return LlmAnalyzer(settings.llm)


def _request(scope: Message, receive: Receive, share: Share) -> Request:
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        # Whitespace around a value is not part of it, and not every host removes it:
        # https://www.rfc-editor.org/rfc/rfc9110#section-5.5
        name, value = raw_name.decode("latin-1"), raw_value.strip(b" \t").decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    caller = headers.get("traceparent", "")
    headers["traceparent"] = continue_trace(caller)
    path: str = scope["path"]
    if not path.startswith("/"):  # hypercorn leaves an absolute-form target as it is
        path = ABSOLUTE_FORM.sub("", path) or "/"
    observation.begin_span(path, headers, caller, scope["http_version"])
    read = partial(_read, receive, headers.get("content-length", ""), share)
    return Request(scope["method"], path, headers, read)


async def _read(receive: Receive, content_length: str, share: Share) -> bytes:
    if content_length.isdecimal() and int(content_length) > BODY_LIMIT:
        raise PayloadTooLarge(f"the body is over {BODY_LIMIT} bytes")
    body = b""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnected
        body += message.get("body", b"")
        if len(body) > BODY_LIMIT:
            raise PayloadTooLarge(f"the body is over {BODY_LIMIT} bytes")
        if not share.grow(len(body)):
            raise Unavailable(NO_ROOM)
        more = message.get("more_body", False)
    return body


def _request_id(request: Request) -> str:
    given = request.headers.get("x-request-id")
    return given if given and REQUEST_ID.fullmatch(given) else f"{random.getrandbits(128):032x}"


async def _send(scope: Message, send: Send, response: Response, request_id: str) -> None:
    headers = [
        (b"content-type", response.content_type.encode()),
        (b"content-length", b"%d" % len(response.body)),
        (b"x-request-id", request_id.encode()),
        *[(name.lower().encode(), value.encode()) for name, value in response.headers],
    ]
    if response.status == BODY_TIMEOUT_STATUS:
        headers.append((b"connection", b"close"))  # else the rest of the body would keep it open
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    body = b"" if scope["method"] == "HEAD" else response.body
    if len(body) > PIECE:
        await _send_pieces(send, body)
    else:
        await send({"type": "http.response.body", "body": body})


async def _send_pieces(send: Send, body: bytes) -> None:
    """Send a large body, but never more than one piece that the client has not taken."""
    for start in range(0, len(body), PIECE):
        piece, more = body[start : start + PIECE], start + PIECE < len(body)
        async with asyncio.timeout(WRITE_TIMEOUT):
            await send({"type": "http.response.body", "body": piece, "more_body": more})


def _log(request: Request, status: int, code: str | None, started: float) -> None:
    """Log one line per request; probes come too often for more than DEBUG."""
    level = logging.INFO
    if status >= 500:
        level = logging.ERROR
    elif status < 400 and request.method in ("GET", "HEAD"):
        level = logging.DEBUG
    fields: dict[str, object] = {
        "method": request.method[:LOGGED],
        "path": request.path[:LOGGED],
        "status": status,
        "duration_ms": round((time.perf_counter() - started) * 1000, 3),
    }
    if code:
        fields["code"] = code
    logs.write_request(level, fields)
