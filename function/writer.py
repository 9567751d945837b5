"""The thread that owns the one connection to PostgreSQL.

pg8000 is synchronous, and its connections may not be shared between threads. What arrives while a
statement is under way waits in a queue, and goes in the next statement together; when nothing is
under way, nothing waits. Every statement is safe to repeat, for a row's id is made before its
insert. So whatever breaks the connection, the thread connects anew and tries again, until the
jobs' own deadlines.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

from function.postgres import CONNECTION_ERRORS, DatabaseError, describe, sqlstate
from function.settings import PostgresSettings
from function.table import FeedbackTable

if TYPE_CHECKING:  # connecting does not wait for pydantic's import
    from function.feedback import Entry, StoredEntry

BATCH_LIMIT = 128  # rows a statement
RETRY_PAUSE = 0.1  # seconds, at first
LONGEST_PAUSE = 1.0  # seconds

# SQLSTATE classes that blame the row: data exception, integrity constraint, limit exceeded, and
# an exception that a trigger raises. Any other may pass: a restart, a lock, a full disk.
ROW_ERRORS = ("22", "23", "54", "P0")

log = logging.getLogger("function.writer")


class RowRefused(Exception):
    """PostgreSQL will never take this row: a bug, for the request was checked before."""


@dataclass(eq=False, slots=True)
class Job:
    """A request that waits for PostgreSQL; without an entry it looks for the row `id`.

    `deadline` is on the monotonic clock.
    """

    id: UUID
    entry: Entry | None
    deadline: float
    future: asyncio.Future[StoredEntry | None]


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
        report: Callable[[Mapping[Job, StoredEntry | Exception | None]], None],
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
        inserts = [job for job in self._jobs if job.entry]
        for start in range(0, len(inserts), BATCH_LIMIT):
            self._settle(_insert(table, inserts[start : start + BATCH_LIMIT]))
        if finds := [job for job in self._jobs if not job.entry]:
            stored = table.select(job.id for job in finds)
            self._settle({job: stored.get(job.id) for job in finds})
        if self._checks:
            table.check()
            while self._checks:
                self._checks.pop().answer.set_result(True)

    def _connect(self) -> FeedbackTable:
        self._table = FeedbackTable(self._settings, self._statement_timeout)
        log.info("database connected")
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

    def _settle(self, outcomes: Mapping[Job, StoredEntry | Exception | None]) -> None:
        self._jobs = [job for job in self._jobs if job not in outcomes]
        self._report(outcomes)


def _insert(table: FeedbackTable, jobs: Sequence[Job]) -> dict[Job, StoredEntry | RowRefused]:
    """Insert together; if PostgreSQL refuses a row, one by one, so that it fails alone."""
    first: dict[UUID, Job] = {}
    for job in jobs:
        first.setdefault(job.id, job)
    try:
        # In the order of their ids, so that two instances can't wait for each other's rows.
        ordered = sorted(first.values(), key=lambda job: job.id.int)
        stored = table.insert([job.entry for job in ordered if job.entry])
    except DatabaseError as exc:
        if not sqlstate(exc).startswith(ROW_ERRORS):
            raise
        if len(jobs) == 1:
            return {jobs[0]: RowRefused(describe(exc))}
        return {job: outcome for job in jobs for outcome in _insert(table, [job]).values()}
    if conflicts := first.keys() - stored.keys():
        stored |= table.select(conflicts)
    return {
        job: stored[job.id] if job is first[job.id] else stored[job.id]._replace(repeated=True)
        for job in jobs
        if job.id in stored  # else it was deleted in between: the job goes on waiting
    }
