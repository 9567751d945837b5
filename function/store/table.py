"""The table `feedback` over one connection: its two statements, prepared once where that can be."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from typing import TYPE_CHECKING, Any
from uuid import UUID

from function.postgres_settings import PostgresSettings
from function.store.connection import CONNECTION_ERRORS, InterfaceError, connect
from function.store.statement import make_statement

if TYPE_CHECKING:  # connecting does not wait for pydantic's import
    from function.feedback import Entry, Stored, StoredEntry, StrategySnapshot

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
SELECT id::text, task_id, message, perceived_difficulty::text, difficulty_adjustment,
       topic_weights, sentiment, strategy_snapshot, traceparent, {CREATED_AT}
FROM public.feedback
WHERE id IN (SELECT jsonb_array_elements_text($1)::uuid)
"""


CHECK = """
SELECT has_table_privilege('public.feedback', 'INSERT')
       AND NOT current_setting('transaction_read_only')::boolean
"""


class FeedbackTable:
    """Rows in, rows out. Every error of pg8000 and of the socket passes through."""

    def __init__(self, settings: PostgresSettings, statement_timeout: float) -> None:
        """Connect; `statement_timeout` is in seconds."""
        self._connection = connect(settings, statement_timeout)
        try:
            self._insert = make_statement(self._connection, INSERT, statement_timeout)
            self._select = make_statement(self._connection, SELECT, statement_timeout)
        except BaseException:
            self.close()
            raise

    @property
    def pooled(self) -> bool:
        """Whether a pooler stands between here and PostgreSQL."""
        return self._connection.pooled

    def insert(self, entries: Sequence[Entry]) -> Stored:
        """Insert in one statement; return those whose id was not there yet."""
        from pydantic_core import to_json

        from function.feedback import StoredEntry

        rows = [_row(entry) for entry in entries]
        [[created]] = self._insert.run(json=to_json(rows).decode())
        return {
            entry.id: StoredEntry(
                task_id=entry.feedback.task_id,
                message=entry.feedback.message,
                strategy=entry.strategy,
                traceparent=entry.traceparent,
                created_at=created[row["id"]],
                repeated=False,
            )
            for entry, row in zip(entries, rows, strict=True)
            if row["id"] in created
        }

    def select(self, ids: Iterable[UUID]) -> Stored:
        """Return those rows that are there."""
        rows = self._select.run(json=json.dumps([str(row_id) for row_id in ids]))
        return {UUID(row_id): _stored_entry(columns) for row_id, *columns in rows}

    def check(self) -> None:
        """Ask PostgreSQL whether a row could be inserted now; raises an error if it could not."""
        if self._connection.run(CHECK) != [[True]]:
            raise InterfaceError("the table feedback can't be written to")

    def close(self) -> None:
        """Disconnect; that the connection is broken already is no error."""
        with suppress(*CONNECTION_ERRORS):
            self._connection.close()


def _stored_entry(columns: Sequence[Any]) -> StoredEntry:
    """Make an entry of SELECT's columns behind the id."""
    from function.feedback import Difficulty, StoredEntry, Strategy

    task_id, message, difficulty, adjustment, weights, sentiment, snapshot, *rest = columns
    traceparent, created_at = rest
    strategy = Strategy(
        perceived_difficulty=Difficulty(difficulty),
        difficulty_adjustment=adjustment,
        topic_weights=weights,
        sentiment=sentiment,
        snapshot=_snapshot(snapshot),
    )
    return StoredEntry(task_id, message, strategy, traceparent, created_at, repeated=True)


def _snapshot(stored: Mapping[str, Any]) -> StrategySnapshot:
    """Leave out what another version of the function may have added."""
    from function.feedback import ModelSnapshot, StrategySnapshot

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
