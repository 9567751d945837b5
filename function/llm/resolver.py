"""The addresses of the provider's host, looked up without blocking other requests.

httpx2 would look names up in the event loop's pool of threads. A name server that hangs would fill
that pool, and the end of the process would wait for it.
"""

import asyncio
import socket
from collections.abc import Callable

from function.llm.background import in_thread

FRESH = 30.0  # seconds


class Resolver:
    """Looks one host up, with one look-up at a time for all requests.

    Known addresses are returned at once. When they are older than FRESH, a look-up starts, and
    later requests get its addresses.
    """

    def __init__(self, host: str, port: int, clock: Callable[[], float]) -> None:
        self._host = host
        self._port = port
        self._clock = clock
        self._known: tuple[str, ...] = ()
        self._asked = 0.0
        self._lookup: asyncio.Future[tuple[str, ...]] | None = None

    async def addresses(self) -> tuple[str, ...]:
        """Return IP addresses, the preferred one first; raises OSError."""
        if self._known and self._clock() - self._asked < FRESH:
            return self._known
        if self._lookup is None:
            self._asked = self._clock()
            self._lookup = in_thread(self._look_up)
            self._lookup.add_done_callback(self._learn)
        # Shielded, because others may wait for the same look-up.
        return self._known or await asyncio.shield(self._lookup)

    def _learn(self, lookup: asyncio.Future[tuple[str, ...]]) -> None:
        self._lookup = None
        if not lookup.cancelled() and lookup.exception() is None:
            self._known = lookup.result()

    def _look_up(self) -> tuple[str, ...]:
        found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        return tuple(dict.fromkeys(str(address[0]) for *_, address in found))
