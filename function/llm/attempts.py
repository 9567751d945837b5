"""At most one more attempt, where it may help and the time allows it."""

import asyncio
import random
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import TypeVar

from function.llm.outcome import NoAnswer, Reason
from function.llm.rejection import Rejection

T = TypeVar("T")

PAUSE = (0.1, 0.4)  # seconds before the second attempt, where the provider names none
LEAST = 0.25  # seconds that must be left for an answer
BRIEF = (408, 409, 429)  # the statuses below 500 that the official SDKs retry


class Attempts:
    """Counts the attempts that are `made` for one question, within `limit` seconds."""

    def __init__(self, limit: float) -> None:
        self.made = 0
        self._retried = False
        self._deadline = time.monotonic() + limit

    async def run(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Make an attempt; raises NoAnswer.

        If it failed for now only, one more is made, but only once for the whole question.
        """
        try:
            return await self._make(attempt)
        except NoAnswer as exc:
            pause = _pause(exc)
            is_late = time.monotonic() + (pause or 0) + LEAST > self._deadline
            if pause is None or self._retried or is_late:
                raise
        self._retried = True
        await asyncio.sleep(pause)
        return await self._make(attempt)

    async def _make(self, attempt: Callable[[], Awaitable[T]]) -> T:
        self.made += 1
        return await attempt()


def _pause(failure: NoAnswer) -> float | None:
    """How many seconds to wait; None where another attempt would end the same."""
    if failure.reason in {Reason.UNREACHABLE, Reason.PROVIDER_ERROR}:
        named = None
    elif failure.reason is Reason.STATUS and failure.rejection and _is_brief(failure.rejection):
        named = _named_pause(failure.rejection.headers)
    else:
        return None
    return random.uniform(*PAUSE) if named is None else named  # noqa: S311 - spreads a crowd


def _is_brief(rejection: Rejection) -> bool:
    """Whether the server may soon answer. `x-should-retry` is how OpenAI and Anthropic say it."""
    if "insufficient_quota" in (rejection.error().get("code"), rejection.error().get("type")):
        return False  # a 429 that lasts until somebody pays
    told = rejection.headers.get("x-should-retry")
    if told in ("true", "false"):
        return told == "true"
    return rejection.status in BRIEF or rejection.status >= 500


def _named_pause(headers: Mapping[str, str]) -> float | None:
    """The provider's own pause, in seconds."""
    milliseconds = headers.get("retry-after-ms", "")
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", milliseconds):
        return float(milliseconds) / 1000
    return retry_after_seconds(headers.get("retry-after", ""))


def retry_after_seconds(header: str) -> float | None:
    """https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3; None for what is neither form."""
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", header):
        return float(header)
    from email.utils import parsedate_to_datetime  # httpx2 has it imported

    try:
        when = parsedate_to_datetime(header)
    except (ValueError, OverflowError):
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())
