"""The group commit: one task, one connection, one statement at a time.

Jobs that arrive while a statement is under way share the next one. Every statement is safe to
repeat, because a row's id is made before its insert. So whatever fails is repeated, on a new
connection if necessary, until the jobs' deadlines, in ever smaller batches: no row harms another.
"""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import Future
from contextvars import Context

from function.metrics import CONNECTS
from function.postgres_settings import PostgresSettings
from function.store import observation
from function.store.connection import PATIENCE, connect, disconnect
from function.store.driver import DatabaseError
from function.store.faults import CANCELED, is_bug, is_loss, is_of_statement, is_refusal, sqlstate
from function.store.health import Health
from function.store.jobs import SWEEP_INTERVAL, Job, Queue, insert
from function.store.table import FeedbackTable

RETRY_PAUSE = 0.1  # seconds, after the second failure
LONGEST_PAUSE = 1.0  # seconds
PARTS = 4  # of a batch that failed; halves take as many statements, of which twice as many fail
MOST_LOSSES = 5  # lost connections, before a job may be the cause
LEAST_LIMIT = 0.25  # seconds for a statement, also where the timeout is short
SLOWNESS = 8  # times the average time of a statement, before a row may be the cause


class GroupCommit:
    """Does the jobs of a queue. All but connect() is called on the event loop."""

    def __init__(self, settings: PostgresSettings, timeout: float) -> None:
        """`timeout` is how long a request may wait for its row, in seconds."""
        self._settings = settings
        # A row that waits must leave time for others: a statement gets little of the timeout, and
        # one that was canceled gets more each time, without other rows.
        self._limit = min(timeout / 2, max(timeout / 20, LEAST_LIMIT))
        self._longest = max(timeout / 4, self._limit)
        self._patience = timeout / 2 * PATIENCE  # for a commit, which has no limit in PostgreSQL
        self._health = Health(settings)
        self._queue = Queue()
        self._task: asyncio.Task[None] | None = None
        self._opening: Future[FeedbackTable] | None = None
        self._table: FeedbackTable | None = None
        self._hung: dict[FeedbackTable, None] = {}
        self._failures = 0
        self._pace = 0.0  # seconds for a statement, on average

    def connect(self) -> None:
        """Begin to connect, in a thread; before there is an event loop, or in it."""
        if self._opening is None and self._table is None:
            opening = Future[FeedbackTable]()
            opening.set_running_or_notify_cancel()
            threading.Thread(
                target=self._open, args=(opening,), name="connect", daemon=True
            ).start()
            self._opening = opening

    def _open(self, opening: Future[FeedbackTable]) -> None:
        try:
            session = connect(self._settings, self._limit, skip=self._failures)
            opening.set_result(FeedbackTable(session, self._patience))
        except BaseException as exc:  # noqa: BLE001 - it goes to the task
            opening.set_exception(exc)

    def start(self) -> None:
        """Connect, and stay connected. The first use starts it otherwise.

        A host that forks starts the store in the child.
        """
        if self._task is None:
            # Not in the context of the request that happens to be the first.
            self._task = asyncio.get_running_loop().create_task(self._run(), context=Context())

    def disconnect(self) -> None:
        """Disconnect at once."""
        if self._task:
            self._task.cancel()
        self._queue.expire()
        if self._opening:
            self._opening.add_done_callback(_discard)
        for table in (self._table, *self._hung):
            if table:
                self._close(table)

    async def _run(self) -> None:
        """Take jobs, try them, and settle them or put them back."""
        while True:
            jobs: list[Job] = []
            try:
                table = self._table or await self._connect()
                self._queue.wake.clear()
                if not self._queue.waiting and not table.stream.error:
                    await self._queue.wake.wait()
                jobs = self._queue.take()  # none when the connection ended: then insert() says why
                await self._try(table, jobs)
            except Exception as exc:  # noqa: BLE001 - a bug must not end the task
                for job in jobs:
                    self._put_back(job, exc, len(jobs))
                await self._recover(jobs, exc)

    async def _connect(self) -> FeedbackTable:
        try:
            self.connect()
            assert self._opening
            self._table = await asyncio.wrap_future(self._opening)
        except Exception as exc:
            CONNECTS.add(1, observation.error_type(exc))
            raise
        finally:
            self._opening = None
        CONNECTS.add(1, "")
        self._table.attach(self._queue.wake.set)
        self._health.pooled = self._table.session.pooled
        if self._health.has_outage:  # which may have another cause than the connection
            try:
                await self._try(self._table, [])
            except DatabaseError as exc:  # reads may work all the same
                self._health.failed(exc)
        else:
            self._health.succeeded()
        return self._table

    async def _try(self, table: FeedbackTable, jobs: list[Job]) -> None:
        started = time.monotonic()
        observation.observe_wait(jobs, started)
        table.limit = self._limit_for(jobs)
        work = jobs[0].work if jobs else insert
        await work(table, jobs, self._health)
        self._pace += (time.monotonic() - started - self._pace) / 4
        if self._health.writable:  # reads must not reset the pause of failing writes
            self._failures = 0

    def _limit_for(self, jobs: list[Job]) -> float | None:
        """Where every statement takes long, no row is the cause, and none must be tried alone."""
        if not any(job.ids for job in jobs):  # a check, which no row makes wait
            return self._longest
        limit = min(SLOWNESS * self._pace, self._longest)
        return jobs[0].limit or (limit if limit > self._limit else None)

    def _put_back(self, job: Job, error: Exception, batch: int) -> None:
        """Have it tried again; in a smaller batch, if one of the jobs may be why all failed."""
        alone = batch == 1
        if alone and is_bug(error):
            job.settle(error)
        part = 0.0 if self._health.refuses_many else 1 / PARTS
        if sqlstate(error) == CANCELED:
            limit = job.limit or self._limit
            job.limit = min(limit * 2, self._longest) if alone else self._limit / 2
            part = min(part, self._pace / self._limit)  # other statements take less time than this
        if job.failures >= MOST_LOSSES or not is_loss(error):
            size = int(batch * part)
            job.largest_batch = size if size > 2 else 1  # pairs save nothing
        pause = min(job.failures * RETRY_PAUSE, LONGEST_PAUSE) if alone else 0.0
        job.failures += 1
        asyncio.get_running_loop().call_later(pause, self._queue.put, job)

    async def _recover(self, jobs: list[Job], error: Exception) -> None:
        """Reconnect, unless the error is about the jobs; after several failures, later."""
        if (is_refusal(error) and len(jobs) > 1) or (jobs and is_bug(error)):
            return
        if sqlstate(error) == CANCELED:
            self._health.row_failed()
            self._queue.put_last(self._limit / 2)
        elif any(job.entries for job in (*jobs, *self._queue.waiting)):
            self._health.write_failed()
        self._health.failed(error)
        if jobs and jobs[0].failures > 1 and is_of_statement(error):
            return
        self._drop(jobs)
        pause = min(self._failures * RETRY_PAUSE, LONGEST_PAUSE)
        self._failures += 1
        if pause:
            await asyncio.sleep(pause)
            self._queue.wake.clear()
            if not self._queue.waiting:
                await self._queue.wake.wait()  # the next use tries again

    def _drop(self, jobs: list[Job]) -> None:
        """Disconnect; where a statement is under way, when its requests have given up.

        Not earlier: a canceled commit leaves its row visible, and a retry would report the row as
        safely stored.
        """
        table, self._table = self._table, None
        if table and table.stream.unanswered:
            self._hung[table] = None
            last = max((job.deadline for job in jobs), default=0.0)
            asyncio.get_running_loop().call_at(last + 2 * SWEEP_INTERVAL, self._close, table)
        elif table:
            self._close(table)

    def _close(self, table: FeedbackTable) -> None:
        self._hung.pop(table, None)
        disconnect(self._settings, table.session, table.stream)


def _discard(opening: Future[FeedbackTable]) -> None:
    if not opening.exception():
        opening.result().session.close()
