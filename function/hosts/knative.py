"""The host for Knative's func-python, which serves an object with these methods.

https://github.com/knative/func/tree/main/templates/python/http
"""

import asyncio
import os
from collections.abc import Mapping
from typing import Any

from function import logs
from function.hosts import limits
from function.hosts.hypercorn import adapt_hypercorn
from function.hosts.refusals import INVALID, TOO_LARGE, VERSION, Refusal
from function.http.asgi import Message, Receive, Send, create_application
from function.settings import load_or_exit
from function.store import Store


class KnativeFunction:
    """One instance. All its methods are called on the event loop."""

    def __init__(self) -> None:
        settings = load_or_exit(os.environ)
        logs.configure(settings.log_level, settings.log_format)
        store = Store(settings.postgres, settings.database_timeout)
        self._application = create_application(settings, store)
        adapt_hypercorn(settings.keep_alive_timeout)
        _answer_probes()

    def start(self, cfg: Mapping[str, str]) -> None:
        """Begin to connect. __init__ has read the configuration, and ends on an error.

        There is no `stop`, because func-python would not await it.
        """
        self._application.start()
        self._end = asyncio.create_task(self._close_at_end())

    async def _close_at_end(self) -> None:
        """Close the application when the event loop ends, which cancels this task."""
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await self._application.aclose()

    async def handle(self, scope: Message, receive: Receive, send: Send) -> None:
        send = _draining(receive, send)
        if refusal := _check(scope):
            status, headers, body = refusal.parts()
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body})
        else:
            await self._application(scope, _with_deadline(receive), send)


def _with_deadline(receive: Receive) -> Receive:
    """Limit the time for a body."""
    deadline = asyncio.get_running_loop().time() + limits.BODY_TIMEOUT

    async def receive_in_time() -> Message:
        try:
            async with asyncio.timeout_at(deadline):
                return await receive()
        except TimeoutError:
            raise limits.body_timeout() from None

    return receive_in_time


def _draining(receive: Receive, send: Send) -> Send:
    """Discard the rest of the body when the answer begins.

    hypercorn queues ten parts of it. A full queue would keep the connection and the answer's end
    for ever.
    """
    tasks: list[asyncio.Task[None]] = []

    async def discard() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    async def send_and_drain(message: Message) -> None:
        if not tasks:
            tasks.append(asyncio.create_task(discard()))
        await send(message)

    return send_and_drain


def _check(scope: Message) -> Refusal | None:
    """Refuse what h11 accepts: it limits only a head that is not complete.

    A proxy may read the shorter of two lengths (RFC 9112, 6.1).
    """
    headers = scope["headers"]
    if {b"content-length", b"transfer-encoding"} <= {name for name, _ in headers}:
        return INVALID
    size = sum(len(name) + len(value) + len(": \r\n") for name, value in headers)
    if len(headers) > limits.HEADER_LIMIT or size > limits.HEAD_LIMIT:
        return TOO_LARGE
    return None if scope["http_version"] in ("1.0", "1.1") else VERSION


def _answer_probes() -> None:
    """Let `handle` answer /health/liveness and /health/readiness like every other path.

    func-python answers each method, without a code or an id. It calls a synchronous `ready` on the
    event loop, but the question to PostgreSQL needs the event loop.
    """
    from func_python.http import ASGIApplication

    async def handle_probe(self: Any, scope: Message, receive: Receive, send: Send) -> None:
        await self.f.handle(scope, receive, send)

    ASGIApplication.handle_liveness = ASGIApplication.handle_readiness = handle_probe
