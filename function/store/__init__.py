"""The store: keeps feedback in PostgreSQL over one connection, with a group commit.

This is what requests use: it limits what may wait. group_commit.py does the work.
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
from function.store.jobs import BATCH_LIMIT, find, insert

WAITING_LIMIT = 4096  # rows
WAITING_TIME = 1.0  # seconds that a row may have to wait for its turn; more rows are refused
ALWAYS_TAKEN = 256  # rows, however slow the last statements were
CHECK_INTERVAL = 1.0  # seconds for which one check answers every probe
CHECK_TIMEOUT = 1.5  # seconds
CLOSE_TIMEOUT = 2.0  # seconds


class Store(GroupCommit):
    """Keeps feedback in PostgreSQL, for the requests of one event loop."""

    def __init__(self, settings: PostgresSettings, timeout: float) -> None:
        """`timeout` is how long a request may wait for its row, in seconds."""
        super().__init__(settings, timeout)
        self._timeout = timeout
        self._check: asyncio.Task[bool] | None = None
        self._checked = 0.0

    async def close(self) -> None:
        """Finish what waits, then disconnect; all requests have their answers by now."""
        await self._queue.finish(CLOSE_TIMEOUT)
        self.disconnect()

    def deadline(self) -> float:
        """Return until when a request that begins now may wait, on the loop's clock."""
        return asyncio.get_running_loop().time() + self._timeout

    async def insert(self, entries: Sequence[Entry], deadline: float) -> Stored:
        """Insert all rows or none; return the rows with these ids, which may have existed before.

        No id may come twice. Raises Unavailable when PostgreSQL does not confirm the rows before
        the deadline, and RowRefused.
        """
        if not entries:
            return {}
        ids = [entry.id for entry in entries]
        self._admit(len(ids))
        return await self._queue.do(insert, ids, entries, deadline)

    async def find(self, ids: Collection[UUID], deadline: float) -> Stored:
        """Return those rows that are there, by their ids. Raises Unavailable."""
        if not ids:
            return {}
        self._admit(len(ids))
        return await self._queue.do(find, ids, (), deadline)

    async def is_ready(self) -> bool:
        """Tell within CHECK_TIMEOUT whether a row could be written now.

        Probes are frequent: those of one second share one check.
        """
        now = time.monotonic()
        if self._check is None or (self._check.done() and now - self._checked >= CHECK_INTERVAL):
            self._checked = now
            self._check = asyncio.create_task(self._look())
        return await asyncio.shield(self._check)

    async def _look(self) -> bool:
        """Insert zero rows: this checks everything that an insert needs except the row."""
        self.start()
        try:
            await self._queue.do(insert, (), (), asyncio.get_running_loop().time() + CHECK_TIMEOUT)
        except Unavailable:  # late, maybe behind rows that PostgreSQL stores
            return self._health.writable and self._health.stored_at > self._checked
        return self._health.writable

    def _admit(self, rows: int) -> None:
        """Start, and refuse more rows than can be stored in time."""
        self.start()
        rows += self._queue.rows
        too_slow = rows > ALWAYS_TAKEN and rows / BATCH_LIMIT * self._pace > WAITING_TIME
        if too_slow or rows > WAITING_LIMIT:
            raise Unavailable("too many requests are waiting for the database")
