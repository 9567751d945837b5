"""The table `feedback`: its two statements, and rows as entries."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any
from uuid import UUID

from function.domain import (
    Concern,
    Difficulty,
    Entry,
    Feedback,
    ModelSnapshot,
    NotAskedSnapshot,
    Stored,
    StoredEntry,
    Strategy,
    StrategySnapshot,
)
from function.store.driver import Rows, Session
from function.store.observation import Statement
from function.store.stream import Stream

CREATED_AT = """to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
COLUMNS = {  # in the order of an entry's fields
    "id": "uuid",
    "student_id": "uuid",
    "task_id": "text",
    "message": "text",
    "perceived_difficulty": "public.difficulty_level",
    "difficulty_adjustment": "double precision",
    "topic_weights": "jsonb",
    "sentiment": "text",
    "strategy_snapshot": "jsonb",
    "concern": "text",
    "traceparent": "text",
}
# It returns one row with all times: pg8000 takes longer for a row than PostgreSQL does. pg_catalog,
# because others may have created functions in public that match these calls better.
INSERT = f"""
WITH inserted AS (
INSERT INTO public.feedback ({", ".join(COLUMNS)})
SELECT {", ".join(COLUMNS)}
FROM pg_catalog.jsonb_to_recordset($1) AS entry ({", ".join(map(" ".join, COLUMNS.items()))})
ON CONFLICT (id) DO NOTHING
RETURNING id, {CREATED_AT} AS created_at
)
SELECT coalesce(pg_catalog.json_object_agg(id, created_at), '{{}}')::text FROM inserted
"""
SELECT = f"""
SELECT id::text, student_id::text, task_id, message, perceived_difficulty::text,
       difficulty_adjustment, topic_weights, sentiment, strategy_snapshot, concern, traceparent,
       {CREATED_AT}
FROM public.feedback
WHERE id IN (SELECT pg_catalog.jsonb_array_elements_text($1)::uuid)
"""


class FeedbackTable:
    """Rows in, rows out, over one connection.

    Raises TimeoutError without an answer in time, and DatabaseError or one of CONNECTION_ERRORS.
    """

    def __init__(self, session: Session, patience: float) -> None:
        """Prepare the statements, which blocks; `patience` limits each wait for an answer.

        The session is closed if that fails.
        """
        self.session = session
        self.stream: Stream
        self.limit: float | None = None  # seconds for a statement; None for statement_timeout
        self._patience = patience
        try:
            session.prepare_all(INSERT, SELECT)
        except BaseException:
            session.close()
            raise

    def attach(self, lost: Callable[[], object]) -> None:
        """Hand the socket to the running event loop; `lost` is called when the connection ends."""
        self.stream = Stream(*self.session.detach(), lost)

    async def insert_or_find(self, entries: Sequence[Entry]) -> Stored:
        """Insert those entries whose ids are not there yet; return all rows that are there then."""
        stored: Stored = {}
        missing = entries
        for _ in range(2):  # again if the row that was in the way has been deleted
            inserted, took_all = await self.insert(missing)
            stored |= inserted
            if len(stored) < len(entries):
                stored |= await self.select(it.id for it in entries if it.id not in stored)
            if took_all or len(stored) == len(entries):
                break  # a trigger may have set other ids, and a retry would double such rows
            missing = [entry for entry in entries if entry.id not in stored]
        return stored

    async def insert(self, entries: Sequence[Entry]) -> tuple[Stored, bool]:
        """Insert in one statement; return those whose id was new, and whether all became rows.

        Without entries it fails where the table, its columns or the role's rights allow no row.
        """
        import pydantic_core  # here, because the store connects before this import

        rows = [_row(entry) for entry in entries]
        with Statement(self.session, "INSERT", len(rows)):
            [[times]] = await self._query(INSERT, pydantic_core.to_json(rows).decode())
        created = pydantic_core.from_json(times)
        stored = {
            entry.id: StoredEntry(entry, created_at, repeated=False)
            for entry in entries
            if (created_at := created.get(str(entry.id)))
        }
        return stored, len(created) == len(entries)

    async def select(self, ids: Iterable[UUID]) -> Stored:
        """Return those rows that are there."""
        with Statement(self.session, "SELECT", 0):
            rows = await self._query(SELECT, json.dumps([str(row_id) for row_id in ids]))
        return {row.entry.id: row for row in map(_stored_entry, rows)}

    async def _query(self, sql: str, parameter: str) -> Rows:
        request = self.session.request(sql, parameter, self.limit)
        return self.session.response(sql, await self.stream.ask(request, self._patience))


def _row(entry: Entry) -> dict[str, Any]:
    difficulty, adjustment, weights, sentiment, snapshot, concern = entry.strategy
    decided = (difficulty.value, adjustment, weights, sentiment)  # to_json takes 3 us for an Enum
    rest = (snapshot.known(), concern.value, entry.traceparent)
    return dict(zip(COLUMNS, (entry.id, *entry.feedback, *decided, *rest), strict=True))


def _stored_entry(columns: Sequence[Any]) -> StoredEntry:
    """Make an entry of SELECT's columns."""
    row_id, student_id, task_id, message, *decided, traceparent, created_at = columns
    difficulty, adjustment, weights, sentiment, *rest = decided
    snapshot, concern = _snapshot(rest[0]), _concern(rest[1])
    strategy = Strategy(Difficulty(difficulty), adjustment, weights, sentiment, snapshot, concern)
    feedback = Feedback(UUID(student_id), task_id, message)
    entry = Entry(UUID(row_id), feedback, strategy, traceparent)
    return StoredEntry(entry, created_at, repeated=True)


def _snapshot(stored: Mapping[str, Any]) -> StrategySnapshot:
    """Another version of the function may have added fields, or lack those with a default."""
    kind: type[StrategySnapshot] = StrategySnapshot
    if "model" in stored:
        kind = ModelSnapshot
    elif "not_asked" in stored:
        kind = NotAskedSnapshot
    known = (field.name for field in fields(kind))
    return kind(**{name: stored[name] for name in known if name in stored})


def _concern(stored: str) -> Concern:
    """A later version of the function may know more concerns."""
    try:
        return Concern(stored)
    except ValueError:
        return Concern.OTHER
