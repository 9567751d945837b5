"""Retry-After in both of its forms."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from function.llm.attempts import retry_after_seconds


@pytest.mark.parametrize(("header", "seconds"), [("0", 0), ("7", 7), ("1.5", 1.5)])
def test_seconds(header: str, seconds: float) -> None:
    assert retry_after_seconds(header) == seconds


def test_a_date() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert retry_after_seconds(later) == pytest.approx(60, abs=2)
    assert retry_after_seconds("Sun, 06 Nov 1994 08:49:37 GMT") == 0
    assert retry_after_seconds("Sun, 06 Nov 1994 08:49:37 -0000") == 0


@pytest.mark.parametrize("header", ["", "soon", "-1", "٣", "9" * 400, "Sun, 99 Nov 9999 08:49 GMT"])
def test_what_is_neither(header: str) -> None:
    assert retry_after_seconds(header) is None
