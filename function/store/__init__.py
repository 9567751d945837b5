"""The store: keeps feedback in PostgreSQL over one connection, with a group commit.

This is its face to the event loop. The writer thread in group_commit.py does the work.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from function.errors import Unavailable
from function.postgres_settings import PostgresSettings
from function.store.group_commit import Check, Writer
from function.store.jobs import Job

if TYPE_CHECKING:  # connecting does not wait for pydantic's import
    from function.feedback import Entry, Stored

WAITING_LIMIT = 4096  # rows; what PostgreSQL takes in about half a second
CHECK_INTERVAL = 1.0  # seconds for which one check answers every probe
CHECK_TIMEOUT = 1.5  # seconds
CLOSE_TIMEOUT = 2.0  # seconds


class Store:
    """Keeps feedback in PostgreSQL, for the requests of one event loop."""

    def __init__(self, settings: PostgresSettings, timeout: float) -> None:
        """`timeout` is how long a request may wait for its row, in seconds."""
        self._timeout = timeout
        # Half of it, so that a statement that hangs leaves time for another on a new connection.
        self._writer = Writer(settings, timeout / 2, self._settle)
        self._lock = threading.Lock()
        self._started = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._arrived: list[Job] = []
        self._waiting = 0
        self._last_check: Check | None = None

    def start(self) -> None:
        """Connect, in the writer's thread. The first use starts it otherwise.

        A thread does not survive a fork: a host that forks starts the store in the child.
        """
        with self._lock:
            if not self._started:
                self._writer.start()
                self._started = True

    def close(self) -> None:
        """Finish what waits, then disconnect; all requests have their answers by now."""
        self._writer.close(CLOSE_TIMEOUT)

    async def insert(self, entries: Sequence[Entry], *, waited: float = 0) -> Stored:
        """Insert all rows or none, in one statement; return them by their ids.

        For an id that is there already that row is returned, and left as it is. No id may come
        twice. `waited` is what the request has waited for PostgreSQL before, in seconds. Raises
        Unavailable when PostgreSQL does not confirm the rows in time, and RowRefused.
        """
        return await self._submit([entry.id for entry in entries], entries, self._timeout - waited)

    async def find(self, ids: Collection[UUID]) -> Stored:
        """Return those rows that are there, by their ids. Raises Unavailable."""
        return await self._submit(ids, (), self._timeout)

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
            self._writer.put(self._last_check)
            return self._last_check

    async def _submit(
        self, ids: Collection[UUID], entries: Sequence[Entry], patience: float
    ) -> Stored:
        if not ids:
            return {}
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self.start()
        if self._waiting >= WAITING_LIMIT:
            raise Unavailable("too many requests are waiting for the database")
        deadline = time.monotonic() + patience
        job = Job(ids, entries, deadline, self._loop.create_future())
        timer = self._loop.call_later(patience, _expire, job)
        if not self._arrived:
            self._loop.call_soon(self._hand_over)
        self._arrived.append(job)
        self._waiting += len(ids)
        try:
            return await job.future
        finally:
            self._waiting -= len(ids)
            timer.cancel()

    def _hand_over(self) -> None:
        """Wake the thread once for all that came in a turn of the loop, not for each of them."""
        self._writer.put(self._arrived)
        self._arrived = []

    def _settle(self, outcomes: Mapping[Job, Stored | Exception]) -> None:
        """Hand the outcomes to the event loop, in one go; called in the writer's thread."""
        if self._loop and outcomes:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(_resolve, outcomes)


def _expire(job: Job) -> None:
    if not job.future.done():
        job.future.set_exception(Unavailable("the database did not confirm the feedback in time"))


def _resolve(outcomes: Mapping[Job, Stored | Exception]) -> None:
    for job, outcome in outcomes.items():
        if job.future.done():
            continue
        if isinstance(outcome, Exception):
            job.future.set_exception(outcome)
        else:
            job.future.set_result(outcome)
