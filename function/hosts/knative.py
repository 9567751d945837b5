"""The host for Knative's func-python, which serves an object with these methods.

https://github.com/knative/func/tree/main/templates/python/http
"""

import asyncio
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from function import logs
from function.hosts import limits
from function.hosts.refusals import TOO_LARGE, VERSION, Refusal
from function.http.asgi import Message, Receive, Send, create_application
from function.settings import DRAIN_TIMEOUT, load_or_exit
from function.store import Store

END_TICK = 0.05  # seconds


class KnativeFunction:
    """One instance. All its methods are called on the event loop."""

    def __init__(self) -> None:
        settings = load_or_exit(os.environ)
        logs.configure(settings.log_level, settings.log_format)
        store = Store(settings.postgres, settings.database_timeout)
        self._application = create_application(settings, store)
        _configure_hypercorn(settings.keep_alive_timeout)
        _let_clients_end()
        _answer_readiness()

    def start(self, cfg: Mapping[str, str]) -> None:
        """Begin to connect. The configuration was read before, where a mistake ends the process.

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

    def alive(self) -> tuple[bool, str]:
        return True, "ok"

    async def handle(self, scope: Message, receive: Receive, send: Send) -> None:
        if refusal := _check(scope):
            status, headers, body = refusal.parts()
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body})
        else:
            await self._application(scope, receive, send)


def _check(scope: Message) -> Refusal | None:
    """Refuse what h11 lets through: it limits only a head that is not complete."""
    headers = scope["headers"]
    size = sum(len(name) + len(value) + len(": \r\n") for name, value in headers)
    if len(headers) > limits.HEADER_LIMIT or size > limits.HEAD_LIMIT:
        return TOO_LARGE
    return VERSION if scope["http_version"] == "2.0" else None  # HTTP/2 itself is "2"


def _configure_hypercorn(keep_alive_timeout: float) -> None:
    """Set documented settings of hypercorn, and the process's limit of open files.

    func-python makes hypercorn's configuration itself, after this, and takes no settings for it.
    """
    from hypercorn.config import Config

    Config.graceful_timeout = DRAIN_TIMEOUT  # 3 s are too short for a model
    Config.keep_alive_timeout = keep_alive_timeout
    Config.keep_alive_max_requests = 1 << 62  # a proxy's connection may live as long as it likes
    Config.backlog = limits.BACKLOG
    Config.h11_max_incomplete_size = limits.HEAD_LIMIT
    limits.raise_descriptor_limit()


def _let_clients_end() -> None:
    """Close a connection when its client has ended it, and all is answered.

    hypercorn would drop the answers at once, but close the connection after keep_alive_timeout.
    """
    from hypercorn.asyncio.tcp_server import MAX_RECV, TCPServer
    from hypercorn.events import Closed, RawData

    async def read(self: Any) -> None:
        with suppress(OSError):
            data = None
            while data != b"":
                data = await self.reader.read(MAX_RECV)
                await self.protocol.handle(RawData(data))
            while getattr(self.protocol.protocol, "stream", None):  # noqa: ASYNC110 - has no event
                await asyncio.sleep(END_TICK)
        await self.protocol.handle(Closed())
        await self.idle_task.stop()

    TCPServer._read_data = read  # noqa: SLF001


def _answer_readiness() -> None:
    """Let `handle` answer /health/readiness, as every other path.

    func-python would call a synchronous `ready` on the event loop, and only the loop can ask
    PostgreSQL.
    """
    from func_python.http import ASGIApplication

    async def handle_readiness(self: Any, scope: Message, receive: Receive, send: Send) -> None:
        await self.f.handle(scope, receive, send)

    ASGIApplication.handle_readiness = handle_readiness
