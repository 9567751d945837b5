"""The group commit: one task, one connection, one statement at a time for all that waits.

What arrives while a statement is under way waits, and goes in the next one together; when nothing
is under way, nothing waits. Every statement is safe to repeat, for a row's id is made before its
insert. So whatever breaks the connection, the task connects anew and tries again, until the jobs'
own deadlines. What failed together is tried again alone, so that no row harms another.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from concurrent.futures import Future
from contextvars import Context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from function.settings import PostgresSettings
from function.store.driver import CONNECTION_ERRORS, PASSING, DatabaseError, describe, sqlstate
from function.store.health import Health
from function.store.table import FeedbackTable

if TYPE_CHECKING:  # connecting does not wait for pydantic's import
    from function.feedback import Entry, Stored

BATCH_LIMIT = 128  # rows a statement; more only where one job has more
RETRY_PAUSE = 0.1  # seconds, after the second failure
LONGEST_PAUSE = 1.0  # seconds


class RowRefused(Exception):
    """PostgreSQL will never take this row: a bug, for the request was checked before.

    The text is safe to log.
    """


@dataclass(eq=False, slots=True)
class Job:
    """A request that waits for PostgreSQL: to insert all its entries, or to look for its `ids`.

    `deadline` is on the loop's clock; the future gets the rows that are there.
    """

    ids: Collection[UUID]
    entries: Sequence[Entry]
    deadline: float
    future: asyncio.Future[Stored]
    failures: int = 0


Outcomes = dict[Job, "Stored | Exception"]
Work = Callable[[FeedbackTable, list[Job]], Awaitable[Outcomes]]


class GroupCommit:
    """Does jobs. All but `start` is called on the event loop."""

    def __init__(self, settings: PostgresSettings, statement_timeout: float) -> None:
        """`statement_timeout` is in seconds."""
        self.health = Health(settings)
        self._settings = settings
        self._statement_timeout = statement_timeout
        self._inserts: deque[Job] = deque()
        self._finds: deque[Job] = deque()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._opening: Future[FeedbackTable] | None = None
        self._table: FeedbackTable | None = None
        self._failures = 0

    def open(self) -> None:
        """Begin to connect, in a thread, for that waits for the network."""
        if self._opening is None and self._table is None:
            self._opening = Future()
            self._opening.set_running_or_notify_cancel()
            arguments = (self._settings, self._statement_timeout, self._failures)
            threading.Thread(
                target=_open, args=(self._opening, *arguments), name="connect", daemon=True
            ).start()

    def put(self, job: Job) -> None:
        """Have the job done: to find its ids, or to insert its entries.

        A job with neither finds out whether a row could be inserted.
        """
        self._put(job, self._finds if job.ids and not job.entries else self._inserts)

    def run(self) -> None:
        """Begin to work, if that has not begun."""
        if self._task is None:
            # Not in the context of the request that happens to be the first.
            self._task = asyncio.get_running_loop().create_task(self._run(), context=Context())

    def stop(self) -> None:
        """Disconnect, whatever waits."""
        if self._task:
            self._task.cancel()
        if self._opening:
            self._opening.add_done_callback(_discard)
        if self._table:
            self._table.close()

    def _put(self, job: Job, waiting: deque[Job]) -> None:
        waiting.append(job)
        self._wake.set()

    async def _run(self) -> None:
        while True:
            try:
                table = self._table or await self._connect()
                if not self._inserts and not self._finds:
                    await self._idle(table)
                await self._attempt(table, self._inserts, _insert)
                await self._attempt(table, self._finds, _find)
            except Exception as exc:  # noqa: BLE001 - a bug must not end the task
                await self._fail(exc)

    async def _connect(self) -> FeedbackTable:
        self.open()
        assert self._opening
        try:
            self._table = await asyncio.wrap_future(self._opening)
        finally:
            self._opening = None
        self._table.attach(self._wake.set)
        self.health.connected(pooled=self._table.pooled)
        return self._table

    async def _idle(self, table: FeedbackTable) -> None:
        """Return when there is something to do; raise when the connection ends."""
        self._wake.clear()
        table.require_connection()
        await self._wake.wait()
        table.require_connection()

    async def _attempt(self, table: FeedbackTable, waiting: deque[Job], work: Work) -> None:
        jobs = _take(waiting)
        if not jobs:
            return
        outcomes: Outcomes = {}
        try:
            outcomes = await work(table, jobs)
            self._failures = 0
        except TimeoutError:
            # Not at once: a commit that is cancelled shows its row, and the next attempt would
            # take it for one that is safe.
            last = max(job.deadline for job in jobs)
            table.cancel(max(0.0, last - asyncio.get_running_loop().time()))
            raise
        except (DatabaseError, *CONNECTION_ERRORS):
            raise
        except Exception as exc:
            if len(jobs) == 1:
                outcomes = {jobs[0]: exc}  # a bug: its request gets it
            raise
        finally:
            self._settle(jobs, outcomes, waiting)

    def _settle(self, jobs: Sequence[Job], outcomes: Outcomes, waiting: deque[Job]) -> None:
        for job in jobs:
            outcome = outcomes.get(job)
            if outcome is None:
                self._retry(job, waiting)
            elif job.future.done():
                pass
            elif isinstance(outcome, Exception):
                job.future.set_exception(outcome)
            else:
                job.future.set_result(outcome)
        if waiting is self._inserts:
            self._remember([(job, outcomes.get(job)) for job in jobs])

    def _remember(self, outcomes: list[tuple[Job, Stored | Exception | None]]) -> None:
        """Tell a row that was written from one that was not; a repeat is neither."""
        if any(isinstance(it, dict) and not _all_repeated(it) for _, it in outcomes):
            self.health.write_succeeded()
        elif any(job.entries and not isinstance(it, dict) for job, it in outcomes):
            self.health.write_failed()
        elif all(isinstance(it, dict) for _, it in outcomes):
            self.health.check_succeeded()

    def _retry(self, job: Job, waiting: deque[Job]) -> None:
        """Put it back, to be tried alone: at once, and later each time that it fails again."""
        pause = min(job.failures * RETRY_PAUSE, LONGEST_PAUSE)
        job.failures += 1
        asyncio.get_running_loop().call_later(pause, self._put, job, waiting)

    async def _fail(self, error: Exception) -> None:
        """Disconnect; go on at once after the first failure, later after more."""
        if self._table:
            self._table.close()
            self._table = None
        if any(job.entries for job in self._inserts):
            self.health.write_failed()
        self.health.failed(error)
        pause = min(self._failures * RETRY_PAUSE, LONGEST_PAUSE)
        self._failures += 1
        if pause:
            await asyncio.sleep(pause)
            if not self._inserts and not self._finds:
                self._wake.clear()
                await self._wake.wait()  # the next use tries again


def _open(opening: Future[FeedbackTable], *arguments: Any) -> None:
    try:
        opening.set_result(FeedbackTable(*arguments))
    except BaseException as exc:  # noqa: BLE001 - it goes to the task
        opening.set_exception(exc)


def _discard(opening: Future[FeedbackTable]) -> None:
    if not opening.exception():
        opening.result().close()


def _all_repeated(stored: Stored) -> bool:
    return all(row.repeated for row in stored.values())


def _take(waiting: deque[Job]) -> list[Job]:
    """Take what goes in one statement; a job is all or nothing, and never split."""
    jobs: list[Job] = []
    rows = 0
    while waiting:
        job = waiting[0]
        rows += len(job.ids)
        if jobs and (job.failures or jobs[0].failures or rows > BATCH_LIMIT):
            break
        waiting.popleft()
        if job.future.done():  # too late, or nobody waits for it any more
            rows -= len(job.ids)
        else:
            jobs.append(job)
    return jobs


async def _insert(table: FeedbackTable, jobs: list[Job]) -> Outcomes:
    """Insert together; return no outcomes when each job must be tried alone."""
    try:
        stored = await _insert_or_find(table, jobs)
    except DatabaseError as exc:
        if sqlstate(exc).startswith(PASSING):
            raise
        if len(jobs) > 1:
            return {}
        await table.insert(())  # fails, too, where the table is at fault, and not the row
        return {jobs[0]: RowRefused(describe(exc))}
    return _share(jobs, stored)


async def _insert_or_find(table: FeedbackTable, jobs: list[Job]) -> Stored:
    """Insert what is not there yet; return what is there then."""
    # In the order of their ids, so that two instances can't wait for each other's rows.
    entries = {entry.id: entry for job in reversed(jobs) for entry in job.entries}
    missing = sorted(entries, key=lambda row_id: row_id.int)
    stored: Stored = {}
    for _ in range(2):  # again for a row that was deleted after it was in the way
        stored |= await table.insert([entries[row_id] for row_id in missing])
        missing = [row_id for row_id in missing if row_id not in stored]
        if missing:
            stored |= await table.select(missing)
            missing = [row_id for row_id in missing if row_id not in stored]
        if not missing:
            break
    return stored


def _share(jobs: list[Job], stored: Stored) -> Outcomes:
    """Give each job its rows; what an earlier one inserted is a repeat for the next."""
    outcomes: Outcomes = {}
    for job in jobs:
        if all(row_id in stored for row_id in job.ids):
            outcomes[job] = {row_id: stored[row_id] for row_id in job.ids}
            stored |= {row_id: stored[row_id]._replace(repeated=True) for row_id in job.ids}
        else:
            outcomes[job] = RowRefused("PostgreSQL takes the row, and does not have it then")
    return outcomes


async def _find(table: FeedbackTable, jobs: list[Job]) -> Outcomes:
    stored = await table.select({row_id for job in jobs for row_id in job.ids})
    return {job: {row_id: stored[row_id] for row_id in job.ids if row_id in stored} for job in jobs}
