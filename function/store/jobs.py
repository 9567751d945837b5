"""Jobs, the queue of them, and how several share one statement."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from function.domain import Entry, Stored
from function.errors import Unavailable
from function.store.driver import DatabaseError
from function.store.faults import is_refusal, sqlstate
from function.store.health import Health
from function.store.table import FeedbackTable
from function.tracing import Span, current

SWEEP_INTERVAL = 0.1  # seconds between two looks at the deadlines
BATCH_LIMIT = 128  # rows a statement; more only where one job has more

Work = Callable[["FeedbackTable", "list[Job]", Health], Awaitable[None]]


class RowRefused(Exception):
    """PostgreSQL will never accept this row. The text is safe to log."""


@dataclass(eq=False, slots=True)
class Job:
    """A request that waits for PostgreSQL: insert() with all its entries, or find() with its `ids`.

    insert() with neither asks whether a row could be inserted. `deadline` is on the loop's clock;
    the future gets the rows that are there.
    """

    work: Work
    ids: Collection[UUID]
    entries: Sequence[Entry]
    deadline: float
    future: asyncio.Future[Stored]
    failures: int = 0
    since: float = field(default_factory=time.monotonic)
    spans: Sequence[Span] = field(default_factory=current.get)
    largest_batch: int = BATCH_LIMIT
    """Jobs in a statement with this one, which may be why a larger batch failed."""
    limit: float | None = None
    """Seconds for such a statement, after one took too long."""

    def settle(self, outcome: Stored | Exception) -> None:
        """Hand over the outcome, unless the request has given up."""
        if self.future.done():
            return
        if isinstance(outcome, Exception):
            self.future.set_exception(outcome)
        else:
            self.future.set_result(outcome)


class Queue:
    """The jobs of one event loop."""

    def __init__(self) -> None:
        self.rows = 0  # of all jobs
        self.waiting: dict[Job, None] = {}  # in the order of their turns
        self.wake = asyncio.Event()
        self._jobs: dict[Job, None] = {}  # those that wait, are under way, or pause, in order
        self._sweeper: asyncio.TimerHandle | None = None

    async def do(
        self, work: Work, ids: Collection[UUID], entries: Sequence[Entry], deadline: float
    ) -> Stored:
        """Have a job done until the deadline."""
        loop = asyncio.get_running_loop()
        job = Job(work, ids, entries, deadline, loop.create_future())
        self.rows += len(ids)
        self._jobs[job] = None
        self._sweeper = self._sweeper or loop.call_later(SWEEP_INTERVAL, self._sweep)
        self.put(job)
        try:
            return await job.future
        finally:
            self.rows -= len(ids)
            del self._jobs[job]
            self.waiting.pop(job, None)

    def put(self, job: Job) -> None:
        """Let it wait for its turn."""
        if not job.future.done():
            self.waiting[job] = None
            self.wake.set()

    def take(self) -> list[Job]:
        """Take the first job, and those that can share its statement; no job is ever split."""
        jobs: list[Job] = []
        rows = 0
        for job in self.waiting:
            if not jobs or (
                rows + len(job.ids) <= BATCH_LIMIT
                and job.work is jobs[0].work
                and job.largest_batch == jobs[0].largest_batch > len(jobs)
            ):
                jobs.append(job)
                rows += len(job.ids)
        for job in jobs:
            del self.waiting[job]
        return jobs

    def put_last(self, limit: float) -> None:
        """Let those that took longer than `limit` alone wait for all others."""
        self.waiting = dict.fromkeys(sorted(self.waiting, key=lambda it: max(it.limit or 0, limit)))

    async def finish(self, seconds: float) -> None:
        """Wait until all jobs are done, or time is up."""
        if self._jobs:
            await asyncio.wait([job.future for job in self._jobs], timeout=seconds)

    def expire(self, now: float = math.inf) -> None:
        """Fail the jobs whose deadline is over."""
        for job in self._jobs:
            if job.deadline <= now:
                job.settle(Unavailable("the database did not confirm the feedback in time"))

    def _sweep(self) -> None:
        """Look at all deadlines: one timer is cheaper than one for each job."""
        loop = asyncio.get_running_loop()
        self.expire(loop.time())
        self._sweeper = loop.call_later(SWEEP_INTERVAL, self._sweep) if self._jobs else None


async def insert(table: FeedbackTable, jobs: list[Job], health: Health) -> None:
    """Insert the entries of all jobs together."""
    entries = {entry.id: entry for job in reversed(jobs) for entry in job.entries}
    try:
        # In the order of their ids, so that two instances can't wait for each other's rows.
        stored = await table.insert_or_find(sorted(entries.values(), key=lambda it: it.id.int))
    except DatabaseError as exc:
        if len(jobs) != 1 or not is_refusal(exc):
            raise
        await table.insert(())  # fails, too, where the table is the cause, and not the row
        await table.select(())
        health.row_failed()
        health.settled(1, refused=True)
        jobs[0].settle(RowRefused(f"SQLSTATE {sqlstate(exc)}"))
        return
    shared = len(entries) < sum(len(job.ids) for job in jobs)
    _settle(jobs, stored, health, shared=shared)


def _settle(jobs: list[Job], stored: Stored, health: Health, *, shared: bool) -> None:
    """Hand over the rows; with `shared`, several jobs may have inserted the same one."""
    # A row that a lost connection stored without a confirmation is new, too.
    if any(not row.repeated for row in stored.values()) or any(
        stored and job.entries and job.failures and job.largest_batch == BATCH_LIMIT for job in jobs
    ):
        health.row_stored()
    health.settled(len(jobs), refused=False)
    stored |= _stored_unnoticed(jobs, stored)
    for job in jobs:
        found = {row_id: stored[row_id] for row_id in job.ids if row_id in stored}
        if len(found) < len(job.ids):
            health.row_failed()
            job.settle(RowRefused("PostgreSQL accepted the row, but does not show it"))
            continue
        if shared:
            found = _for_one(job, found)
            # What this job has inserted is a repeat for the next.
            new = (row_id for row_id, row in found.items() if not row.repeated)
            stored |= {row_id: found[row_id]._replace(repeated=True) for row_id in new}
        job.settle(found)
    health.succeeded()


def _for_one(job: Job, found: Stored) -> Stored:
    """Call another job's row a repeat: the jobs may have changed places after a failure."""
    own = {(entry.id, entry.traceparent) for entry in job.entries}
    return {
        row_id: row if (row_id, row.entry.traceparent) in own else row._replace(repeated=True)
        for row_id, row in found.items()
    }


def _stored_unnoticed(jobs: list[Job], stored: Stored) -> Stored:
    """The rows that an earlier attempt stored, but its connection broke: they are new, too."""
    return {
        entry.id: row._replace(repeated=False)
        for job in jobs
        if job.failures
        for entry in job.entries
        if (row := stored.get(entry.id)) and row.entry.traceparent == entry.traceparent
    }


async def find(table: FeedbackTable, jobs: list[Job], _: Health) -> None:
    """Find the ids of all jobs together."""
    stored = await table.select({row_id for job in jobs for row_id in job.ids})
    for job in jobs:
        job.settle({row_id: stored[row_id] for row_id in job.ids if row_id in stored})
