"""All use of uvicorn's internals: its import, its protocol and its server.

Each piece says why it is here. tests/unit/test_uvicorn.py fails when uvicorn changes what it uses.
"""

import asyncio
import re
import sys
import threading
from collections.abc import Callable
from types import FrameType, ModuleType
from typing import Any

# `import uvicorn` imports uvicorn.main, the command line, which needs click: 18 ms of a cold start.
COMMAND_LINE = ModuleType("uvicorn.main")
vars(COMMAND_LINE).update(Server=None, main=None, run=None)
sys.modules.setdefault(COMMAND_LINE.__name__, COMMAND_LINE)

from uvicorn.config import Config  # noqa: E402 - after the stand-in
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol  # noqa: E402
from uvicorn.server import Server  # noqa: E402

__all__ = ["Config", "HttpProtocol", "PatientServer", "Server"]

UPGRADE = re.compile(rb"\r\nupgrade:", re.IGNORECASE)


class ResponseTransport:
    """An asyncio transport that sends what a turn of the event loop writes at the turn's end.

    uvicorn writes the head of a response and its body apart, and each write wakes the client.
    Together they save a quarter of what a request costs.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._parts: list[bytes] = []

    def write(self, part: bytes) -> None:
        if not self._parts:
            self._loop.call_soon(self._send)
        self._parts.append(part)

    def close(self) -> None:
        self._send()
        self._transport.close()

    def _send(self) -> None:
        if self._parts and not self._transport.is_closing():
            self._transport.write(b"".join(self._parts))
        self._parts.clear()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """All else is the transport's own affair."""
        method: Callable[..., Any] = getattr(self._transport, name)
        return method


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol, writing to a ResponseTransport, and deaf to offers of an upgrade."""

    def data_received(self, data: bytes) -> None:
        """Pass on what came; a client that offers HTTP/2 (h2c) is answered in HTTP/1.1.

        httptools would take the body behind such an offer for the other protocol's, and drop it.
        A name of the same length, for the length of a body must not change.
        """
        super().data_received(UPGRADE.sub(b"\r\nignored:", data))

    def connection_made(self, transport: Any) -> None:
        stand_in: Any = ResponseTransport(transport, self.loop)
        super().connection_made(stand_in)


class PatientServer(Server):
    """uvicorn's server, which after the first signal goes on as before for `delay` seconds.

    For platforms that signal before all who send requests have heard of it. A second signal ends
    the wait.
    """

    def __init__(self, config: Config, delay: float) -> None:
        super().__init__(config)
        self._delay = delay

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        delay, self._delay = self._delay, 0
        if not delay:
            super().handle_exit(sig, frame)
            return
        timer = threading.Timer(delay, setattr, (self, "should_exit", True))
        timer.daemon = True
        timer.start()
