"""The store: one PostgreSQL connection, one thread that owns it, and a group commit.

pg8000 is synchronous, and its connections may not be shared between threads, so one thread does
all that touches PostgreSQL. What arrives while a statement is under way waits in a queue, and
goes in the next statement together; when nothing is under way, nothing waits. Every statement is
safe to repeat, for a row's id is made before its insert. So whatever breaks the connection, the
thread connects anew and tries again, until the requests' own deadlines.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

from function.errors import Unavailable
from function.postgres import CONNECTION_ERRORS, DatabaseError, describe, sqlstate
from function.settings import PostgresSettings
from function.table import FeedbackTable

if TYPE_CHECKING:  # connecting does not wait for pydantic's import
    from function.feedback import Entry, StoredEntry

BATCH_LIMIT = 128  # rows a statement
WAITING_LIMIT = 4096  # jobs; what PostgreSQL takes in about half a second
CHECK_INTERVAL = 1.0  # seconds for which one check answers every probe
CHECK_TIMEOUT = 1.5  # seconds
RETRY_PAUSE = 0.1  # seconds

# SQLSTATE classes that blame the row: data exception, integrity constraint, limit exceeded, and
# an exception that a trigger raises. Any other may pass: a restart, a lock, a full disk.
ROW_ERRORS = ("22", "23", "54", "P0")

log = logging.getLogger("function.store")


class RowRefused(Exception):
    """PostgreSQL will never take this row: a bug, for the request was checked before."""


@dataclass(eq=False, slots=True)
class _Job:
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


class Store:
    """Keeps feedback in PostgreSQL, for the requests of one event loop."""

    def __init__(self, settings: PostgresSettings, timeout: float) -> None:
        """`timeout` is how long a request may wait for its row, in seconds."""
        self._settings = settings
        self._timeout = timeout
        self._queue: queue.SimpleQueue[list[_Job] | Check | None] = queue.SimpleQueue()
        self._arrived: list[_Job] = []
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting = 0
        self._last_check: Check | None = None
        # What the thread alone touches.
        self._table: FeedbackTable | None = None
        self._jobs: list[_Job] = []
        self._checks: list[Check] = []
        self._closing = False
        self._failures = 0

    def start(self) -> None:
        """Connect, in the store's own thread. The first use starts it otherwise.

        A thread does not survive a fork: a host that forks starts the store in the child.
        """
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="store", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Finish what waits, then disconnect."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(self._timeout)

    async def insert(self, entry: Entry) -> StoredEntry:
        """Insert the row, or return the one that has its id already.

        Raises Unavailable when PostgreSQL does not confirm it in time, and RowRefused.
        """
        stored = await self._submit(entry.id, entry)
        assert stored is not None
        return stored

    async def find(self, row_id: UUID) -> StoredEntry | None:
        """Return the row with this id, if it is there. Raises Unavailable."""
        return await self._submit(row_id, None)

    def check(self) -> Check:
        """Ask whether PostgreSQL answers.

        Probes come often: those of one second share one check.
        """
        self.start()
        with self._lock:
            last = self._last_check
            if last and (time.monotonic() - last.asked < CHECK_INTERVAL or not last.answer.done()):
                return last
            self._last_check = Check()
            self._queue.put(self._last_check)
            return self._last_check

    async def _submit(self, row_id: UUID, entry: Entry | None) -> StoredEntry | None:
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self.start()
        if self._waiting >= WAITING_LIMIT:
            raise Unavailable("too many requests are waiting for the database")
        deadline = time.monotonic() + self._timeout
        job = _Job(row_id, entry, deadline, self._loop.create_future())
        timer = self._loop.call_later(self._timeout, _expire, job)
        if not self._arrived:
            self._loop.call_soon(self._hand_over)
        self._arrived.append(job)
        self._waiting += 1
        try:
            return await job.future
        finally:
            self._waiting -= 1
            timer.cancel()

    def _hand_over(self) -> None:
        """Wake the thread once for all that came in a turn of the loop, not for each of them."""
        self._queue.put(self._arrived)
        self._arrived = []

    # The rest runs in the store's thread.

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
        self._table = FeedbackTable(self._settings, statement_timeout=self._timeout / 2)
        log.info("database connected")
        return self._table

    def _fail(self, error: Exception) -> None:
        if self._failures == 0:
            log.warning("database unavailable", extra={"reason": describe(error)})
        self._disconnect()
        while self._checks:
            self._checks.pop().answer.set_result(False)
        # At once after the first failure: it is most often a connection that ended while idle.
        time.sleep(min(self._failures * RETRY_PAUSE, 10 * RETRY_PAUSE))
        self._failures += 1

    def _disconnect(self) -> None:
        if self._table:
            self._table.close()
            self._table = None

    def _settle(self, outcomes: Mapping[_Job, StoredEntry | Exception | None]) -> None:
        """Hand the outcomes to the event loop, in one go."""
        self._jobs = [job for job in self._jobs if job not in outcomes]
        if self._loop and outcomes:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(_resolve, outcomes)


def _insert(table: FeedbackTable, jobs: Sequence[_Job]) -> dict[_Job, StoredEntry | RowRefused]:
    """Insert together; if PostgreSQL refuses a row, one by one, so that it fails alone."""
    first: dict[UUID, _Job] = {}
    for job in jobs:
        first.setdefault(job.id, job)
    try:
        stored = table.insert([job.entry for job in first.values() if job.entry])
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


def _expire(job: _Job) -> None:
    if not job.future.done():
        job.future.set_exception(Unavailable("the database did not confirm the feedback in time"))


def _resolve(outcomes: Mapping[_Job, StoredEntry | Exception | None]) -> None:
    for job, outcome in outcomes.items():
        if job.future.done():
            continue
        if isinstance(outcome, Exception):
            job.future.set_exception(outcome)
        else:
            job.future.set_result(outcome)
