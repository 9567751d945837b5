"""At most one more attempt, where it may help and the time allows it."""

import asyncio
import random
import re
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar

from function.llm.outcome import NoAnswer, Reason

T = TypeVar("T")

PAUSE = (0.1, 0.4)  # seconds before the second attempt, where the provider names none
LEAST = 0.25  # seconds that must be left for an answer


class Attempts:
    """Counts the attempts that are `made` for one question, within `limit` seconds."""

    def __init__(self, limit: float) -> None:
        self.made = 0
        self._deadline = time.monotonic() + limit

    async def run(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Make an attempt, and one more if that failed for now only; raises NoAnswer."""
        try:
            return await self._make(attempt)
        except NoAnswer as exc:
            pause = _pause(exc)
            if pause is None or time.monotonic() + pause + LEAST > self._deadline:
                raise
        await asyncio.sleep(pause)
        return await self._make(attempt)

    async def _make(self, attempt: Callable[[], Awaitable[T]]) -> T:
        self.made += 1
        return await attempt()


def _pause(failure: NoAnswer) -> float | None:
    """How many seconds to wait; None where another attempt would end the same."""
    if failure.reason is Reason.STATUS:
        if failure.status is None or not (failure.status == 429 or failure.status >= 500):
            return None
    elif failure.reason not in {Reason.UNREACHABLE, Reason.PROVIDER_ERROR}:
        return None
    named = retry_after_seconds(failure.retry_after)
    return random.uniform(*PAUSE) if named is None else named  # noqa: S311 - spreads a crowd


def retry_after_seconds(header: str) -> float | None:
    """https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3; None for what is neither form."""
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", header):
        return float(header)
    from email.utils import parsedate_to_datetime  # httpx2 has it imported

    try:
        when = parsedate_to_datetime(header)
    except (ValueError, OverflowError):
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())
