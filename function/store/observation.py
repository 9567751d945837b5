"""What metrics and spans tell of statements.

https://opentelemetry.io/docs/specs/semconv/database/postgresql/
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING

from function import tracing
from function.metrics import STATEMENT_DURATION, STATEMENT_ROWS, STATEMENT_WAIT, Metric
from function.store.faults import sqlstate
from function.tracing import Attributes, current, record_client

if TYPE_CHECKING:
    from function.store.driver import Session
    from function.store.jobs import Job


SQLSTATE = re.compile("[0-9A-Z]{5}")


class Statement:
    """Observes one statement, from its request to its answer; `rows` are those to insert."""

    def __init__(self, session: Session, operation: str, rows: int) -> None:
        self._session = session
        self._operation = operation
        self._rows = rows

    def __enter__(self) -> None:
        self._began = time.time_ns() if current.get() else 0
        self._started = time.perf_counter()
        if self._rows:
            STATEMENT_ROWS.observe(self._rows)

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None:
        seconds = time.perf_counter() - self._started
        kind = error_type(error) if error else ""
        STATEMENT_DURATION.observe(seconds, "postgresql", "feedback", self._operation, kind)
        if self._began:
            self._record(kind)

    def _record(self, kind: str) -> None:
        attributes: Attributes = {
            "db.system.name": "postgresql",
            "db.namespace": self._session.database,
            "db.collection.name": "feedback",
            "db.operation.name": self._operation,
            "db.query.summary": f"{self._operation} feedback",
            "server.address": self._session.address.host.name,
            "server.port": self._session.address.host.port,
        }
        if self._rows:
            attributes["mentor.group_commit.rows"] = self._rows
        if kind:
            attributes["error.type"] = kind
        if SQLSTATE.fullmatch(kind):
            attributes["db.response.status_code"] = kind
        name = f"{self._operation} feedback"
        record_client(current.get(), name, self._began, attributes, failed=bool(kind))


def error_type(error: BaseException) -> str:
    """PostgreSQL's SQLSTATE, or the kind of another error."""
    return sqlstate(error) or type(error).__name__


def observe_wait(jobs: Iterable[Job], now: float) -> None:
    """Observe how long jobs have waited for their first statement, and whose spans it has."""
    if tracing.buffer:
        current.set([span for job in jobs for span in job.spans])
    if Metric.enabled:
        for job in jobs:
            if job.ids and not job.failures:
                STATEMENT_WAIT.observe(now - job.since)
