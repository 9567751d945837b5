"""The thread that owns the one connection to PostgreSQL.

pg8000 is synchronous, and its connections may not be shared between threads. What arrives while a
statement is under way waits in a queue, and goes in the next statement together; when nothing is
under way, nothing waits. Every statement is safe to repeat, for a row's id is made before its
insert. So whatever breaks the connection, the thread connects anew and tries again, until the
jobs' own deadlines.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from function.postgres_settings import PostgresSettings
from function.store.connection import CONNECTION_ERRORS, DatabaseError, describe
from function.store.jobs import BATCH_LIMIT, Job, batches, found, insert
from function.store.table import FeedbackTable

if TYPE_CHECKING:  # connecting does not wait for pydantic's import
    from function.feedback import Stored

RETRY_PAUSE = 0.1  # seconds, at first
LONGEST_PAUSE = 1.0  # seconds

log = logging.getLogger("function.store.group_commit")


@dataclass(eq=False, slots=True)
class Check:
    """A question whether PostgreSQL answers; `answer` stays open while it is silent."""

    answer: Future[bool] = field(default_factory=Future)
    asked: float = field(default_factory=time.monotonic)

    def time_left(self, limit: float) -> float:
        """How many seconds are left of `limit` seconds since it was asked."""
        return max(0.0, self.asked + limit - time.monotonic())


class Writer:
    """Does jobs and checks, in its own thread, in the order in which they come."""

    def __init__(
        self,
        settings: PostgresSettings,
        statement_timeout: float,
        report: Callable[[Mapping[Job, Stored | Exception]], None],
    ) -> None:
        """`report` takes the outcomes of jobs, in this thread; timeouts are in seconds."""
        self._settings = settings
        self._statement_timeout = statement_timeout
        self._report = report
        self._queue: queue.SimpleQueue[list[Job] | Check | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._table: FeedbackTable | None = None
        self._jobs: list[Job] = []
        self._checks: list[Check] = []
        self._closing = False
        self._failures = 0

    def start(self) -> None:
        """Connect, and begin to work; after any fork, which would leave the thread behind."""
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    def put(self, work: list[Job] | Check) -> None:
        """Leave work for the thread."""
        self._queue.put(work)

    def close(self, timeout: float) -> None:
        """Let the thread finish what waits, disconnect and end; wait for it so many seconds."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(timeout)

    def _run(self) -> None:
        self._attempt()
        while self._jobs or not self._closing:
            self._collect()
            self._attempt()
        self._disconnect()

    def _collect(self) -> None:
        """Wait until there is something to do, then take all that waits, or a batch at least."""
        wait = not self._jobs
        while len(self._jobs) < BATCH_LIMIT:
            try:
                item = self._queue.get(wait)
            except queue.Empty:
                return
            wait = False
            if item is None:
                self._closing = True
            elif isinstance(item, Check):
                self._checks.append(item)
            else:
                self._jobs += item

    def _attempt(self) -> None:
        """Do what waits; what PostgreSQL did not answer goes on waiting, until its deadline."""
        now = time.monotonic()
        self._jobs = [job for job in self._jobs if job.deadline > now]
        try:
            self._work(self._table or self._connect())
            self._failures = 0
        except (DatabaseError, *CONNECTION_ERRORS) as exc:
            self._fail(exc)
        except Exception as exc:  # noqa: BLE001 - a bug must not end the thread: requests get it
            self._settle(dict.fromkeys(self._jobs, exc))
            self._fail(exc)

    def _work(self, table: FeedbackTable) -> None:
        for inserts in batches([job for job in self._jobs if job.entries]):
            self._settle(insert(table, inserts))
        if finds := [job for job in self._jobs if not job.entries]:
            stored = table.select(row_id for job in finds for row_id in job.ids)
            self._settle({job: found(job, stored) for job in finds})
        if self._checks:
            table.check()
            while self._checks:
                self._checks.pop().answer.set_result(True)

    def _connect(self) -> FeedbackTable:
        self._table = FeedbackTable(self._settings, self._statement_timeout)
        log.info("database connected", extra={"pooled": self._table.pooled})
        return self._table

    def _fail(self, error: Exception) -> None:
        if self._failures == 0:
            log.warning("database unavailable", extra={"reason": describe(error)})
        self._disconnect()
        while self._checks:
            self._checks.pop().answer.set_result(False)
        # At once after the first failure: it is most often a connection that ended while idle.
        time.sleep(min(self._failures * RETRY_PAUSE, LONGEST_PAUSE))
        self._failures += 1

    def _disconnect(self) -> None:
        if self._table:
            self._table.close()
            self._table = None

    def _settle(self, outcomes: Mapping[Job, Stored | Exception]) -> None:
        self._jobs = [job for job in self._jobs if job not in outcomes]
        self._report(outcomes)
