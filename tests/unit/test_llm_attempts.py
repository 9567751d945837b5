"""Which failures get a second attempt, and when."""

import asyncio
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from function.llm.attempts import Attempts, retry_after_seconds
from function.llm.outcome import NoAnswer, Reason
from function.llm.rejection import Rejection


@pytest.mark.parametrize(
    ("header", "seconds"), [("0", 0), ("7", 7), ("1.5", 1.5), ("9" * 400, math.inf)]
)
def test_seconds(header: str, seconds: float) -> None:
    assert retry_after_seconds(header) == seconds


def test_a_date() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert retry_after_seconds(later) == pytest.approx(60, abs=2)
    assert retry_after_seconds("Sun, 06 Nov 1994 08:49:37 GMT") == 0
    assert retry_after_seconds("Sun, 06 Nov 1994 08:49:37 -0000") == 0


@pytest.mark.parametrize("header", ["", "soon", "-1", "٣", "Sun, 99 Nov 9999 08:49 GMT"])
def test_what_is_neither(header: str) -> None:
    assert retry_after_seconds(header) is None


def attempts_after(status: int, headers: Mapping[str, str], body: bytes = b"{}") -> int:
    """How many attempts are made within 2 seconds against a server that always says the same."""
    attempts = Attempts(2)

    async def refuse() -> bytes:
        raise NoAnswer(Reason.STATUS, rejection=Rejection(status, headers, body))

    with pytest.raises(NoAnswer):
        asyncio.run(attempts.run(refuse))
    return attempts.made


@pytest.mark.parametrize(
    ("status", "headers", "attempts"),
    [
        (429, {}, 2),
        (408, {}, 2),
        (409, {}, 2),
        (400, {}, 1),
        (429, {"retry-after": "60"}, 1),
        (429, {"retry-after-ms": "60000"}, 1),
        (429, {"retry-after-ms": "1", "retry-after": "60"}, 2),
        (429, {"retry-after-ms": "soon", "retry-after": "0"}, 2),
        (400, {"x-should-retry": "true"}, 2),
        (500, {"x-should-retry": "false"}, 1),
        (500, {"x-should-retry": "perhaps"}, 2),
    ],
)
def test_what_the_server_says_about_a_retry(
    status: int, headers: Mapping[str, str], attempts: int
) -> None:
    assert attempts_after(status, headers) == attempts


@pytest.mark.parametrize("field", ["code", "type"])
def test_without_credit_no_second_attempt_is_made(field: str) -> None:
    body = f'{{"error": {{"{field}": "insufficient_quota"}}}}'.encode()
    assert attempts_after(429, {"retry-after": "0"}, body) == 1
