"""Weeks and months."""

from datetime import date

import pytest

from insights.periods import Kind, Period

pytestmark = pytest.mark.insights


@pytest.mark.parametrize(
    ("day", "kind", "start", "end", "before"),
    [
        ("2026-03-01", "week", "2026-02-23", "2026-03-01", "2026-02-16"),
        ("2026-03-02", "week", "2026-03-02", "2026-03-08", "2026-02-23"),
        ("2027-01-01", "week", "2026-12-28", "2027-01-03", "2026-12-21"),
        ("2028-02-29", "month", "2028-02-01", "2028-02-29", "2028-01-01"),
        ("2026-01-31", "month", "2026-01-01", "2026-01-31", "2025-12-01"),
    ],
)
def test_a_day_is_in_a_period(day: str, kind: Kind, start: str, end: str, before: str) -> None:
    period = Period.of(date.fromisoformat(day), kind)
    assert (str(period.start), str(period.end)) == (start, end)
    assert str(period.before().start) == before
    assert period.before(12) == Period.of(period.before(12).start, kind)
