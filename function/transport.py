"""How uvicorn is spoken to: one system call a response, and no upgrade."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

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
