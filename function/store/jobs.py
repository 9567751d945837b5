"""Jobs, and how several of them share one statement."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from function.domain import Entry, Stored
from function.errors import Unavailable
from function.store.driver import PASSING, DatabaseError, sqlstate
from function.store.health import Health
from function.store.table import FeedbackTable

BATCH_LIMIT = 128  # rows a statement; more only where one job has more


class RowRefused(Exception):
    """PostgreSQL will never take this row. The text is safe to log."""


@dataclass(eq=False, slots=True)
class Job:
    """A request that waits for PostgreSQL: to insert all its entries, or to look for its `ids`.

    One with neither asks whether a row could be inserted. `deadline` is on the loop's clock; the
    future gets the rows that are there. One that is `alone` is not tried together with others,
    because it may be the reason why they failed.
    """

    ids: Collection[UUID]
    entries: Sequence[Entry]
    deadline: float
    future: asyncio.Future[Stored]
    failures: int = 0
    alone: bool = False

    def settle(self, outcome: Stored | Exception) -> None:
        """Tell who waits, if somebody still does."""
        if self.future.done():
            return
        if isinstance(outcome, Exception):
            self.future.set_exception(outcome)
        else:
            self.future.set_result(outcome)

    def expire(self) -> None:
        """Tell who waits that it took too long."""
        self.settle(Unavailable("the database did not confirm the feedback in time"))


def take(waiting: deque[Job]) -> list[Job]:
    """Take what goes in one statement; a job is all or nothing, and never split."""
    jobs: list[Job] = []
    rows = 0
    while waiting:
        job = waiting[0]
        if not job.future.done():  # else it is too late, or nobody waits for it any more
            rows += len(job.ids)
            if jobs and (job.alone or jobs[0].alone or rows > BATCH_LIMIT):
                break
            jobs.append(job)
        waiting.popleft()
    return jobs


async def insert(table: FeedbackTable, jobs: list[Job], health: Health) -> None:
    """Insert together; jobs that are not settled then must be tried alone."""
    try:
        stored = await _insert_or_find(table, jobs)
    except DatabaseError as exc:
        if sqlstate(exc).startswith(PASSING):
            raise
        if len(jobs) == 1:
            await table.insert(())  # fails, too, where the table is at fault, and not the row
            health.row_refused()
            jobs[0].settle(RowRefused(f"SQLSTATE {sqlstate(exc)}"))
        for job in jobs:
            job.alone = True
        return
    new_row = any(not row.repeated for row in stored.values())
    shared = len(stored) < sum(len(job.ids) for job in jobs)
    for job in jobs:
        if all(row_id in stored for row_id in job.ids):
            job.settle({row_id: stored[row_id] for row_id in job.ids})
            if shared:  # what this job has inserted is a repeat for the next
                stored |= {row_id: stored[row_id]._replace(repeated=True) for row_id in job.ids}
        else:
            health.row_refused()
            job.settle(RowRefused("PostgreSQL took the row, and does not show it"))
    health.write_succeeded(new_row=new_row)


async def _insert_or_find(table: FeedbackTable, jobs: list[Job]) -> Stored:
    entries = {entry.id: entry for job in reversed(jobs) for entry in job.entries}
    # In the order of their ids, so that two instances can't wait for each other's rows.
    missing = sorted(entries.values(), key=lambda entry: entry.id.int)
    stored: Stored = {}
    for _ in range(2):  # again for a row that was deleted after it was in the way
        inserted, took_all = await table.insert(missing)
        stored |= inserted
        if len(stored) < len(entries):
            missing = [entry for entry in missing if entry.id not in stored]
            stored |= await table.select(entry.id for entry in missing)
            missing = [entry for entry in missing if entry.id not in stored]
        if took_all or len(stored) == len(entries):
            break
    return stored


async def find(table: FeedbackTable, jobs: list[Job], _: Health) -> None:
    """Look for the ids of all jobs together."""
    stored = await table.select({row_id for job in jobs for row_id in job.ids})
    for job in jobs:
        job.settle({row_id: stored[row_id] for row_id in job.ids if row_id in stored})
