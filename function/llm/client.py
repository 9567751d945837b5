"""HTTP to the provider: one request with bounds, on addresses that were looked up before.

function/http/tokens.py fetches the keys of a token's issuer with it, too.

httpx2 is imported with the first request, in a thread, because that takes tens of milliseconds.
Its transport is used without its client: these requests follow no redirect, and ignore cookies,
proxy variables and .netrc. Certificates are the system's, or those of SSL_CERT_FILE.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from function.llm.background import Shared
from function.llm.outcome import NoAnswer, Reason
from function.llm.rejection import Rejection
from function.llm.resolver import Resolver

if TYPE_CHECKING:
    import httpx2

CONNECT_TIMEOUT = 3.0  # seconds, for TCP and for TLS each
BODY_LIMIT = 256 * 1024  # bytes
ERROR_LIMIT = 16 * 1024  # bytes
ERROR_TIMEOUT = 1.0  # seconds
CONNECTIONS = 512  # at most; each request that waits has one
IDLE_CONNECTIONS = 16  # at most; each of them is looked at with each request


class HttpClient:
    """Sends requests to one base URL, on one event loop."""

    def __init__(self, base_url: str, queue_timeout: float) -> None:
        """`queue_timeout`: for how long a request waits for a free connection, in seconds."""
        self._queue_timeout = queue_timeout
        parts = urlsplit(base_url)
        self._base = base_url.rstrip("/")
        self._tls = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._netloc = parts.netloc
        self._port = parts.port or (443 if self._tls else 80)
        self._resolver = Resolver(self._host, self._port, time.monotonic)
        self._transport: Shared[httpx2.AsyncHTTPTransport] = Shared(self._open)

    async def post(self, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
        """Send a body, and return that of the answer."""
        return await self._ask("POST", path, headers, body)

    async def get(self, path: str) -> bytes:
        """Return a document."""
        return await self._ask("GET", path, {}, b"")

    async def _ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
        """Send one request, wait for the answer without a limit, and return the body of a 2xx.

        The host's addresses are tried in turn, as long as they don't even connect. Raises
        NoAnswer.
        """
        try:
            transport = await self._transport.get()
            addresses = await self._resolver.addresses()
        except (OSError, UnicodeError):  # no certificates, no address, or no name of a host
            raise NoAnswer(Reason.UNREACHABLE) from None
        import httpx2

        for address in addresses:
            try:
                request = self._request(method, address, path, headers, body)
                return await _exchange(transport, request)
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                continue
            except httpx2.PoolTimeout:
                raise NoAnswer(Reason.BUSY) from None
            except (OSError, httpx2.TransportError):
                break
        raise NoAnswer(Reason.UNREACHABLE)

    async def close(self) -> None:
        """Close the connections."""
        if transport := self._transport.made():
            await transport.aclose()

    def _open(self) -> httpx2.AsyncHTTPTransport:
        import ssl

        import httpcore2  # noqa: F401 - the transport would import it on the event loop
        import httpx2

        # Reading the certificates takes tens of milliseconds, and only TLS needs them.
        bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        return httpx2.AsyncHTTPTransport(
            verify=httpx2.create_ssl_context() if self._tls else bare,
            trust_env=False,
            limits=httpx2.Limits(
                max_connections=CONNECTIONS, max_keepalive_connections=IDLE_CONNECTIONS
            ),
        )

    def _request(
        self, method: str, address: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> httpx2.Request:
        import httpx2

        url = httpx2.URL(f"{self._base}{path}").copy_with(host=address)
        own = {
            "Host": self._netloc,
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Accept-Encoding": "identity",  # nothing is unpacked that could be a bomb
            "User-Agent": "mentor-function",
        }
        timeout = {
            "connect": CONNECT_TIMEOUT,
            "read": None,
            "write": None,
            "pool": self._queue_timeout,
        }
        extensions = {"timeout": timeout, "sni_hostname": self._host}
        return httpx2.Request(
            method, url, headers={**own, **headers}, content=body, extensions=extensions
        )


async def _exchange(transport: httpx2.AsyncHTTPTransport, request: httpx2.Request) -> bytes:
    response = await transport.handle_async_request(request)
    try:
        if not response.is_success:
            raise NoAnswer(Reason.STATUS, rejection=await _rejection(response))
        body, whole = await _read(response, BODY_LIMIT)
        if not whole:
            raise NoAnswer(Reason.TOO_LARGE, status=response.status_code)
        return body
    finally:
        await response.aclose()


async def _rejection(response: httpx2.Response) -> Rejection:
    """Read what comes of the error; a body that breaks off or stops must not hide the status."""
    import httpx2

    body = b""
    with suppress(TimeoutError, OSError, httpx2.TransportError):
        async with asyncio.timeout(ERROR_TIMEOUT):
            body, _ = await _read(response, ERROR_LIMIT)
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Rejection(response.status_code, headers, body)


async def _read(response: httpx2.Response, limit: int) -> tuple[bytes, bool]:
    """The body as it came over the wire, and whether that is all of it."""
    body = b""
    async for part in response.aiter_raw():
        body += part
        if len(body) > limit:
            return body[:limit], False
    return body, True
