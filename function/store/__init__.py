"""The store: keeps feedback in PostgreSQL over one connection, with a group commit.

This is what requests use: it turns away, waits, and gives up in time. group_commit.py has the work.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence
from uuid import UUID

from function.domain import Entry, Stored
from function.errors import Unavailable
from function.postgres_settings import PostgresSettings
from function.store.group_commit import GroupCommit
from function.store.jobs import Job

WAITING_LIMIT = 4096  # rows
WAITING_TIME = 1.0  # seconds that rows may have to wait for those before them; more is refused
ALWAYS_TAKEN = 256  # rows, however slow the last ones were
CHECK_INTERVAL = 1.0  # seconds for which one check answers every probe
CHECK_TIMEOUT = 1.5  # seconds
CLOSE_TIMEOUT = 2.0  # seconds


class Store:
    """Keeps feedback in PostgreSQL, for the requests of one event loop."""

    def __init__(self, settings: PostgresSettings, timeout: float) -> None:
        """`timeout` is how long a request may wait for its row, in seconds."""
        self._timeout = timeout
        # Half of it, so that a statement that hangs leaves time for another on a new connection.
        self._commits = GroupCommit(settings, timeout / 2)
        self._jobs: set[Job] = set()
        self._rows = 0
        self._timer: asyncio.TimerHandle | None = None
        self._check: asyncio.Task[bool] | None = None
        self._checked = 0.0

    def connect(self) -> None:
        """Begin to connect, before there is an event loop, or in it."""
        self._commits.open()

    def start(self) -> None:
        """Connect, and stay connected; on the event loop. The first use starts it otherwise.

        A host that forks starts the store in the child.
        """
        self._commits.run()

    async def close(self) -> None:
        """Finish what waits, then disconnect; all requests have their answers by now."""
        if self._jobs:
            await asyncio.wait([job.future for job in self._jobs], timeout=CLOSE_TIMEOUT)
        self.disconnect()

    def disconnect(self) -> None:
        """Disconnect at once."""
        self._commits.stop()

    def deadline(self) -> float:
        """Until when a request may wait that begins now, on the loop's clock."""
        return asyncio.get_running_loop().time() + self._timeout

    async def insert(self, entries: Sequence[Entry], deadline: float) -> Stored:
        """Insert all rows or none, in one statement; return them by their ids.

        For an id that is there already that row is returned, and left as it is. No id may come
        twice. Raises Unavailable when PostgreSQL does not confirm the rows by the deadline, and
        RowRefused.
        """
        if not entries:
            return {}
        return await self._do([entry.id for entry in entries], entries, deadline)

    async def find(self, ids: Collection[UUID], deadline: float) -> Stored:
        """Return those rows that are there, by their ids. Raises Unavailable."""
        return await self._do(ids, (), deadline) if ids else {}

    async def is_ready(self) -> bool:
        """Tell within CHECK_TIMEOUT whether a row could be written now.

        Probes come often: those of one second share one check.
        """
        now = time.monotonic()
        if self._check is None or (self._check.done() and now - self._checked >= CHECK_INTERVAL):
            self._checked = now
            self._check = asyncio.create_task(self._look())
        return await asyncio.shield(self._check)

    async def _look(self) -> bool:
        """Insert nothing, which takes all that an insert takes but the row."""
        try:
            await self._do((), (), asyncio.get_running_loop().time() + CHECK_TIMEOUT)
        except Unavailable:
            return False
        return self._commits.health.writable

    async def _do(self, ids: Collection[UUID], entries: Sequence[Entry], deadline: float) -> Stored:
        """Have a job done by the deadline."""
        self.start()
        if ids and self._is_full(self._rows + len(ids)):
            raise Unavailable("too many requests are waiting for the database")
        job = Job(ids, entries, deadline, asyncio.get_running_loop().create_future())
        self._jobs.add(job)
        self._rows += len(ids)
        self._watch(job.deadline)
        self._commits.put(job)
        try:
            return await job.future
        finally:
            self._jobs.discard(job)
            self._rows -= len(ids)

    def _is_full(self, rows: int) -> bool:
        too_long = rows > ALWAYS_TAKEN and self._commits.wait_for(rows) > WAITING_TIME
        return too_long or rows > WAITING_LIMIT

    def _watch(self, deadline: float) -> None:
        """Have one timer for all jobs: almost none of them ever needs it."""
        if self._timer is None or deadline < self._timer.when():
            if self._timer:
                self._timer.cancel()
            self._timer = asyncio.get_running_loop().call_at(deadline, self._expire)

    def _expire(self) -> None:
        """Fail the jobs that are too late, and wait for the next one."""
        self._timer = None
        now = asyncio.get_running_loop().time()
        for job in self._jobs:
            if job.deadline > now:
                self._watch(job.deadline)
            else:
                job.expire()
