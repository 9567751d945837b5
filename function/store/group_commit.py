"""The group commit: one task, one connection, one statement at a time for all that waits.

What arrives while a statement is under way waits, and goes in the next one together; when nothing
is under way, nothing waits. Every statement is safe to repeat, for a row's id is made before its
insert. So whatever breaks the connection, the task connects anew and tries again, until the jobs'
own deadlines. What PostgreSQL refuses together is tried again alone, so that no row harms
another.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextvars import Context
from typing import Any

from function.postgres_settings import PostgresSettings
from function.store.driver import CONNECTION_ERRORS, DatabaseError, sqlstate
from function.store.health import Health
from function.store.jobs import BATCH_LIMIT, Job, find, insert, take
from function.store.table import FeedbackTable

RETRY_PAUSE = 0.1  # seconds, after the second failure
LONGEST_PAUSE = 1.0  # seconds
MOST_LOSSES = 5  # lost connections, before a job may be what ends them

# SQLSTATEs that may pass, and leave the connection as good as it was: rollback, lock, limit of
# time, system error, internal error.
OF_THE_STATEMENT = ("40", "55", "57014", "58", "XX")

Work = Callable[[FeedbackTable, list[Job], Health], Awaitable[None]]


class GroupCommit:
    """Does jobs. All but `open` is called on the event loop."""

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
        self._pace = 0.0
        self._busy = False  # stays true where stop() interrupts a statement
        self._hung: list[tuple[FeedbackTable, list[Job]]] = []  # not cancelled yet

    def wait_for(self, rows: int) -> float:
        """Estimate how long so many waiting rows take, in seconds, at the pace of the last ones."""
        return rows / BATCH_LIMIT * self._pace

    def open(self) -> None:
        """Begin to connect, in a thread, because that waits for the network."""
        if self._opening is None and self._table is None:
            opening = Future[FeedbackTable]()
            opening.set_running_or_notify_cancel()
            arguments = (opening, self._settings, self._statement_timeout, self._failures)
            threading.Thread(target=_open, args=arguments, name="connect", daemon=True).start()
            self._opening = opening

    def put(self, job: Job) -> None:
        """Have the job done: to find its ids, or to insert its entries.

        A job with neither finds out whether a row could be inserted.
        """
        if job.ids:
            self._put(job, self._inserts if job.entries else self._finds)
        else:
            self._inserts.appendleft(job)  # a probe must be answered in time
            self._wake.set()

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
        for table, jobs in self._hung:
            _give_up(table, jobs)
        if self._table and self._busy:
            self._table.cancel()
        elif self._table:
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
                await self._attempt(table, self._finds, find)
                await self._attempt(table, self._inserts, insert)
            except Exception as exc:  # noqa: BLE001 - a bug must not end the task
                await self._fail(exc)

    async def _connect(self) -> FeedbackTable:
        try:
            self.open()
            assert self._opening
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
        jobs = take(waiting)
        if not jobs:
            return
        started = time.monotonic()
        self._busy = True
        try:
            await work(table, jobs, self.health)
            self._pace += (time.monotonic() - started - self._pace) / 4
            if self.health.writable:  # else reads that succeed would hurry writes that fail
                self._failures = 0
            self._busy = False
        except Exception as exc:
            self._busy = False
            self._suspect(jobs, exc)
            if isinstance(exc, TimeoutError):
                self._leave_hung(table, jobs)
            elif len(jobs) == 1 and not isinstance(exc, (DatabaseError, *CONNECTION_ERRORS)):
                jobs[0].settle(exc)  # a bug: its request gets it
            elif jobs[0].failures and sqlstate(exc).startswith(OF_THE_STATEMENT):
                self.health.failed(exc)
                return  # the connection is good, and others must not wait for this job's sake
            raise
        finally:
            for job in jobs:
                if not job.future.done():
                    self._retry(job, waiting)

    def _suspect(self, jobs: list[Job], error: Exception) -> None:
        """Have the jobs tried alone, unless only the connection was lost, and that not often."""
        if any(job.entries for job in jobs):
            self.health.write_failed()
        lost = not isinstance(error, TimeoutError) and _tells_of_the_connection(error)
        for job in jobs:
            job.alone = job.alone or not lost or job.failures >= MOST_LOSSES

    def _leave_hung(self, table: FeedbackTable, jobs: list[Job]) -> None:
        """Cancel the statement when its requests have given up, and go on without the connection.

        Not at once: a commit that is cancelled shows its row, and the next attempt would take it
        for one that is safe.
        """
        self._table = None
        hung = (table, jobs)
        self._hung.append(hung)

        def give_up() -> None:
            self._hung.remove(hung)
            _give_up(*hung)

        asyncio.get_running_loop().call_at(max(job.deadline for job in jobs), give_up)

    def _drop_expired(self) -> None:
        """Forget what nobody waits for any more: without a connection nothing takes it out."""
        for waiting in (self._inserts, self._finds):
            alive = [job for job in waiting if not job.future.done()]
            waiting.clear()
            waiting.extend(alive)

    def _retry(self, job: Job, waiting: deque[Job]) -> None:
        """Put it back, to be tried again: at once, and later each time that it fails again."""
        pause = min(job.failures * RETRY_PAUSE, LONGEST_PAUSE)
        job.failures += 1
        asyncio.get_running_loop().call_later(pause, self._put, job, waiting)

    async def _fail(self, error: Exception) -> None:
        """Disconnect; go on at once after the first failure, later after more."""
        if self._table:
            self._table.close()
            self._table = None
        self._drop_expired()
        if any(job.entries for job in self._inserts):
            self.health.write_failed()
        self.health.failed(error)
        pause = min(self._failures * RETRY_PAUSE, LONGEST_PAUSE)
        self._failures += 1
        if pause:
            await asyncio.sleep(pause)
            self._drop_expired()
            if not self._inserts and not self._finds:
                self._wake.clear()
                await self._wake.wait()  # the next use tries again


def _tells_of_the_connection(error: Exception) -> bool:
    """Whether it says nothing of the statement: the next one may do with the same rows."""
    return isinstance(error, CONNECTION_ERRORS) or sqlstate(error).startswith(("08", "57P"))


def _give_up(table: FeedbackTable, jobs: list[Job]) -> None:
    for job in jobs:
        job.expire()
    table.cancel()


def _open(opening: Future[FeedbackTable], *arguments: Any) -> None:
    try:
        opening.set_result(FeedbackTable(*arguments))
    except BaseException as exc:  # noqa: BLE001 - it goes to the task
        opening.set_exception(exc)


def _discard(opening: Future[FeedbackTable]) -> None:
    if not opening.exception():
        opening.result().close()
