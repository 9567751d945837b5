"""The issuer's public keys, fetched when they are needed and kept while the issuer is away."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, TypeVar

from function.errors import Unavailable
from function.llm.outcome import NoAnswer

FETCH_TIMEOUT = 5.0  # seconds
MINIMUM_INTERVAL = 5.0  # seconds; tokens with made-up key ids must not flood the issuer
MAXIMUM_AGE = 3600.0  # seconds; a key that the issuer has withdrawn must go

log = logging.getLogger("function.http.keys")

Key = TypeVar("Key")


class Keys(Generic[Key]):
    """Keys by their ids, with one fetch at a time for all requests.

    `fetch` raises NoAnswer, `parse` ValueError; then the keys that are known remain.
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[bytes]],
        parse: Callable[[bytes], Mapping[str, Key]],
        clock: Callable[[], float],
    ) -> None:
        self._fetch = fetch
        self._parse = parse
        self._clock = clock
        self._keys: Mapping[str, Key] = {}
        self._asked = self._fetched = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, key_id: str) -> Key | None:
        """Return the key, or None where the issuer does not have it.

        A known key is used at once, while newer ones are fetched. Raises Unavailable where the
        issuer could not be asked.
        """
        now = self._clock()
        needed = key_id not in self._keys or now - self._fetched >= MAXIMUM_AGE
        if needed and self._fetching is None and now - self._asked >= MINIMUM_INTERVAL:
            self._asked = now
            self._fetching = asyncio.create_task(self._refresh())
        if key_id not in self._keys and self._fetching:
            await asyncio.shield(self._fetching)  # others may wait for it, too
        if key_id not in self._keys and self._fetched < self._asked:
            raise Unavailable("the issuer's keys can't be fetched now")
        return self._keys.get(key_id)

    async def _refresh(self) -> None:
        try:
            async with asyncio.timeout(FETCH_TIMEOUT):
                document = await self._fetch()
            self._keys = self._parse(document)
            self._fetched = self._asked
        except NoAnswer as exc:
            _warn(exc.reason.value)
        except TimeoutError:
            _warn("timeout")
        except ValueError:
            _warn("no usable keys")
        finally:
            self._fetching = None


def _warn(reason: str) -> None:
    log.warning("keys not fetched", extra={"reason": reason})
