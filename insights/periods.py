"""Weeks and months of a school."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

Kind = Literal["week", "month"]


@dataclass(frozen=True, order=True)
class Period:
    """A week, which begins on Monday, or a month; `start` is its first day."""

    start: date
    kind: Kind

    @classmethod
    def of(cls, day: date, kind: Kind) -> Period:
        """The period that a day is in."""
        start = day - timedelta(days=day.weekday()) if kind == "week" else day.replace(day=1)
        return cls(start, kind)

    def before(self, count: int = 1) -> Period:
        """The period so many periods earlier."""
        period = self
        for _ in range(count):
            period = Period.of(period.start - timedelta(days=1), self.kind)
        return period

    @property
    def end(self) -> date:
        """Its last day."""
        # The 4th day of a week and the 28th of a month are in it, and 7 or 4 days later no more.
        later = self.start + timedelta(days=7 if self.kind == "week" else 31)
        return Period.of(later, self.kind).start - timedelta(days=1)
