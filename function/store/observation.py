"""What metrics tell of statements.

https://opentelemetry.io/docs/specs/semconv/database/postgresql/
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING

from function.metrics import STATEMENT_DURATION, STATEMENT_ROWS, STATEMENT_WAIT
from function.store.faults import sqlstate

if TYPE_CHECKING:
    from function.store.jobs import Job


class Statement:
    """Observes one statement, from its request to its answer; `rows` are those to insert."""

    def __init__(self, operation: str, rows: int) -> None:
        self._operation = operation
        self._rows = rows

    def __enter__(self) -> None:
        self._started = time.perf_counter()
        if self._rows:
            STATEMENT_ROWS.observe(self._rows)

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None:
        seconds = time.perf_counter() - self._started
        kind = error_type(error) if error else ""
        STATEMENT_DURATION.observe(seconds, "postgresql", "feedback", self._operation, kind)


def error_type(error: BaseException) -> str:
    """PostgreSQL's SQLSTATE, or the kind of another error."""
    return sqlstate(error) or type(error).__name__


def observe_wait(jobs: Iterable[Job], now: float) -> None:
    """Observe how long jobs have waited for their first statement."""
    for job in jobs:
        if job.ids and not job.failures:
            STATEMENT_WAIT.observe(now - job.since)
