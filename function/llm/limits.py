"""What keeps the function from asking: the provider fails, tokens are spent, no place is free."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from function.llm.outcome import NoAnswer, Reason

log = logging.getLogger("function.llm")

FAILURES = 5  # in a row, which open the circuit
DAY = 24 * 60 * 60  # seconds


class CircuitBreaker:
    """Opens after `failures` of the provider's in a row, until a question is answered."""

    def __init__(self, failures: int = FAILURES) -> None:
        self._limit = failures
        self._failures = 0

    @property
    def is_open(self) -> bool:
        """Whether requests are turned away."""
        return self._failures >= self._limit

    def learn(self, failure: NoAnswer | None) -> None:
        """Count how a question ended. What says nothing about the provider changes nothing."""
        if failure is None or failure.clears_provider:
            if self.is_open:
                log.warning("model back, circuit closed")
            self._failures = 0
        elif failure.blames_provider:
            self._failures += 1
            if self._failures == self._limit:
                log.warning("model failing, circuit open")


class DailyTokens:
    """Counts the tokens of a UTC day, in this instance."""

    def __init__(self, limit: int | None, clock: Callable[[], float] = time.time) -> None:
        """`clock` returns Unix time."""
        self._limit = limit
        self._clock = clock
        self._day = 0
        self._spent = 0

    def are_spent(self) -> bool:
        """Whether nothing is left for the rest of this day."""
        self._turn_page()
        return self._limit is not None and self._spent >= self._limit

    def spend(self, tokens: int) -> None:
        """Count what a question took, also beyond the limit."""
        self._turn_page()
        self._spent += tokens

    def _turn_page(self) -> None:
        """Begin a new day. A clock that steps back over midnight begins none."""
        day = int(self._clock() // DAY)
        if day not in (self._day, self._day - 1):
            self._day, self._spent = day, 0


class Places:
    """Lets a number of questions be under way at once; others wait, but not for long."""

    def __init__(self, number: int, patience: float) -> None:
        """`patience`: how long a question waits for a place, in seconds."""
        self._free = asyncio.Semaphore(number)
        self._patience = patience

    @asynccontextmanager
    async def take(self) -> AsyncIterator[None]:
        """Hold a place; raises NoAnswer if none gets free in time."""
        try:
            async with asyncio.timeout(self._patience):
                await self._free.acquire()
        except TimeoutError:
            raise NoAnswer(Reason.BUSY) from None
        try:
            yield
        finally:
            self._free.release()
