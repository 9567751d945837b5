"""The table `feedback` over one connection: its two statements, and rows as entries."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from typing import Any
from uuid import UUID

from function.domain import (
    Difficulty,
    Entry,
    Feedback,
    ModelSnapshot,
    Stored,
    StoredEntry,
    Strategy,
    StrategySnapshot,
)
from function.postgres_settings import PostgresSettings
from function.store.connection import PATIENCE, cancel, connect
from function.store.driver import CONNECTION_ERRORS, Rows, Statement
from function.store.stream import Stream

CREATED_AT = """to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""

# One row with all the answers: pg8000 takes longer over a row than PostgreSQL does.
INSERT = f"""
WITH inserted AS (
INSERT INTO public.feedback (id, student_id, task_id, message, perceived_difficulty,
                      difficulty_adjustment, topic_weights, sentiment, strategy_snapshot,
                      traceparent)
SELECT id, student_id, task_id, message, perceived_difficulty,
       difficulty_adjustment, topic_weights, sentiment, strategy_snapshot, traceparent
FROM jsonb_to_recordset($1) AS entry (
    id uuid, student_id uuid, task_id text, message text,
    perceived_difficulty public.difficulty_level, difficulty_adjustment double precision,
    topic_weights jsonb, sentiment text, strategy_snapshot jsonb, traceparent text)
ON CONFLICT (id) DO NOTHING
RETURNING id, {CREATED_AT} AS created_at
)
SELECT coalesce(json_object_agg(id, created_at), '{{}}') FROM inserted
"""

SELECT = f"""
SELECT id::text, student_id::text, task_id, message, perceived_difficulty::text,
       difficulty_adjustment, topic_weights, sentiment, strategy_snapshot, traceparent, {CREATED_AT}
FROM public.feedback
WHERE id IN (SELECT jsonb_array_elements_text($1)::uuid)
"""


class FeedbackTable:
    """Rows in, rows out. Every error of pg8000 and of the socket passes through."""

    def __init__(self, settings: PostgresSettings, statement_timeout: float, skip: int) -> None:
        """Connect, as connect() does, which waits."""
        self._settings = settings
        self._wait_limit = statement_timeout * PATIENCE
        self._stream: Stream | None = None
        self._session = connect(settings, statement_timeout, skip=skip)
        try:
            self._insert = self._session.make_statement(INSERT)
            self._select = self._session.make_statement(SELECT)
        except BaseException:
            self.close()
            raise

    @property
    def pooled(self) -> bool:
        """Whether a pooler stands between here and PostgreSQL."""
        return self._session.pooled

    def attach(self, lost: Callable[[], object]) -> None:
        """Give the connection to the running event loop; `lost` is called when it ends."""
        self._stream = Stream(*self._session.detach(), lost)

    def require_connection(self) -> None:
        """Raise why the connection ended, if it did."""
        if self._stream and self._stream.error:
            if self._stream.received:
                self._session.response(self._insert, bytes(self._stream.received))
            raise self._stream.error

    async def insert(self, entries: Sequence[Entry]) -> tuple[Stored, bool]:
        """Insert in one statement; return those whose id was not there yet.

        Also tell whether PostgreSQL took all, be it by another id that a trigger gave. Without
        entries it fails where the table, its columns or the role's rights do not allow
        any row.
        """
        from pydantic_core import to_json  # connecting does not wait for its import

        rows = [_row(entry) for entry in entries]
        [[created]] = await self._run(self._insert, to_json(rows).decode())
        stored = {
            entry.id: StoredEntry(entry, created[row["id"]], repeated=False)
            for entry, row in zip(entries, rows, strict=True)
            if row["id"] in created
        }
        return stored, len(created) == len(rows)

    async def select(self, ids: Iterable[UUID]) -> Stored:
        """Return those rows that are there."""
        rows = await self._run(self._select, json.dumps([str(row_id) for row_id in ids]))
        found = [_stored_entry(columns) for columns in rows]
        return {row.entry.id: row for row in found}

    async def _run(self, statement: Statement, parameter: str) -> Rows:
        assert self._stream
        request = self._session.request(statement, parameter)
        answer = await self._stream.ask(request, self._wait_limit)
        return self._session.response(statement, answer)

    def cancel(self) -> None:
        """Have the statement cancelled that got no answer, and disconnect."""
        if self._stream:
            self._stream.leave()
        cancel(self._settings, self._session)

    def close(self) -> None:
        """Disconnect; that the connection is broken already is no error."""
        with suppress(*CONNECTION_ERRORS):
            (self._stream or self._session).close()


def _stored_entry(columns: Sequence[Any]) -> StoredEntry:
    """Make an entry of SELECT's columns."""
    row_id, student_id, task_id, message, *decided, traceparent, created_at = columns
    difficulty, adjustment, weights, sentiment, snapshot = decided
    strategy = Strategy(
        perceived_difficulty=Difficulty(difficulty),
        difficulty_adjustment=adjustment,
        topic_weights=weights,
        sentiment=sentiment,
        snapshot=_snapshot(snapshot),
    )
    feedback = Feedback(UUID(student_id), task_id, message)
    return StoredEntry(Entry(UUID(row_id), feedback, strategy, traceparent), created_at, True)


def _snapshot(stored: Mapping[str, Any]) -> StrategySnapshot:
    """Leave out what another version of the function may have added."""
    kind = ModelSnapshot if "model" in stored else StrategySnapshot
    return kind(**{field.name: stored[field.name] for field in fields(kind)})


def _row(entry: Entry) -> dict[str, object]:
    feedback, strategy = entry.feedback, entry.strategy
    return {
        "id": str(entry.id),
        "student_id": feedback.student_id,
        "task_id": feedback.task_id,
        "message": feedback.message,
        "perceived_difficulty": strategy.perceived_difficulty,
        "difficulty_adjustment": strategy.difficulty_adjustment,
        "topic_weights": strategy.topic_weights,
        "sentiment": strategy.sentiment,
        "strategy_snapshot": strategy.snapshot,
        "traceparent": entry.traceparent,
    }
