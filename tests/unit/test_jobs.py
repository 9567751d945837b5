"""How jobs that share a statement share its answer."""

import asyncio
import uuid
from collections.abc import Sequence
from typing import cast

from function.analysis import NEUTRAL_STRATEGY
from function.domain import Entry, Feedback, Stored, StoredEntry
from function.settings import load
from function.store.health import Health
from function.store.jobs import Job, insert
from function.store.table import FeedbackTable

ROW_ID = uuid.UUID(int=1)


class Table:
    """Has one row already."""

    def __init__(self, row: Entry) -> None:
        self._row = row

    async def insert_or_find(self, _: Sequence[Entry]) -> Stored:
        return {self._row.id: StoredEntry(self._row, "2026-02-16T10:12:45.123456Z", repeated=True)}


def job(traceparent: str, failures: int) -> Job:
    feedback = Feedback(uuid.UUID(int=2), "task", "Too hard")
    entry = Entry(ROW_ID, feedback, NEUTRAL_STRATEGY, traceparent)
    future = asyncio.get_running_loop().create_future()
    return Job(insert, [ROW_ID], [entry], 60, future, failures)


def test_a_repeat_that_overtakes_the_first_request_is_still_the_repeat() -> None:
    """The first one has stored the row, lost its connection, and waits for its next try."""

    async def run() -> None:
        first, repeat = job("first", failures=1), job("repeat", failures=0)
        [entry] = first.entries
        table = cast(FeedbackTable, Table(entry))
        health = Health(load({"DATABASE_URL": "postgresql://user@host/mentor"}).postgres)
        await insert(table, [repeat, first], health)
        assert repeat.future.result()[ROW_ID].repeated
        assert not first.future.result()[ROW_ID].repeated

    asyncio.run(run())
