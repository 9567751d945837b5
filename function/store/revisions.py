"""The table `strategy_revision`: new strategies for feedback that no model had analyzed."""

from uuid import UUID

from pydantic_core import to_json

from function.analysis import FALLBACK_STRATEGY
from function.domain import Feedback, Strategy
from function.store.driver import Connection

ADVISORY_LOCK = int.from_bytes(b"revision", "big")  # any number that no other job uses

UNREVISED = """
FROM public.feedback
WHERE strategy_snapshot @> '{"feedback_based": false}' AND message IS NOT NULL
AND NOT EXISTS (SELECT FROM public.strategy_revision WHERE feedback_id = feedback.id)
"""
# MATERIALIZED, so that the index on strategy_snapshot finds the rows. For a small limit, PostgreSQL
# would look at all rows in the order of created_at: 390 ms, not 2, where 400 of 400,000 qualify.
CHOOSE = f"""
WITH unrevised AS MATERIALIZED (SELECT id, created_at {UNREVISED})
SELECT id FROM unrevised ORDER BY created_at, id LIMIT :limit
"""
READ = f"SELECT student_id, coalesce(task_id, ''), message, traceparent {UNREVISED} AND id = :id"
# It inserts nothing if the feedback was deleted, or its message erased, during the question.
INSERT = """
INSERT INTO public.strategy_revision (
    feedback_id, feedback_created_at, student_id, task_id, perceived_difficulty,
    difficulty_adjustment, topic_weights, sentiment, strategy_snapshot, concern, traceparent)
SELECT id, created_at, student_id, task_id, CAST(:difficulty AS public.difficulty_level),
       CAST(:adjustment AS double precision), CAST(:weights AS jsonb), CAST(:sentiment AS text),
       CAST(:snapshot AS jsonb), CAST(:concern AS text), CAST(:traceparent AS text)
FROM public.feedback WHERE id = :id AND message IS NOT NULL
ON CONFLICT (feedback_id) DO NOTHING
RETURNING id
"""
NO_ROW = UUID(int=0)
# PostgreSQL notices within 90 seconds that the machine of a run is gone, and frees its lock.
KEEPALIVE = """
SET tcp_keepalives_idle = 60; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3
"""


def lock(connection: Connection) -> bool:
    """Try to become the only run, until the connection ends."""
    connection.run(KEEPALIVE)
    return bool(connection.run(f"SELECT pg_try_advisory_lock({ADVISORY_LOCK})") == [[True]])


def check(connection: Connection) -> None:
    """Raise DatabaseError if no revision could be inserted: a right or the table is missing."""
    insert(connection, NO_ROW, FALLBACK_STRATEGY, "")


def choose(connection: Connection, limit: int) -> list[UUID]:
    """Return the oldest feedback that has neither an analysis nor a revision."""
    return [row_id for [row_id] in connection.run(CHOOSE, limit=limit)]


def read(connection: Connection, row_id: UUID) -> tuple[Feedback, str] | None:
    """Return the feedback and its traceparent, unless it is gone or has been revised."""
    for student_id, task_id, message, traceparent in connection.run(READ, id=row_id):
        return Feedback(student_id, task_id, message), traceparent
    return None


def insert(connection: Connection, row_id: UUID, strategy: Strategy, traceparent: str) -> bool:
    """Insert the revision of a feedback; return whether the feedback still needed it."""
    inserted = connection.run(
        INSERT,
        id=row_id,
        difficulty=strategy.perceived_difficulty.value,
        adjustment=strategy.difficulty_adjustment,
        weights=to_json(strategy.topic_weights).decode(),
        sentiment=strategy.sentiment,
        snapshot=to_json(strategy.snapshot.known()).decode(),
        concern=strategy.concern.value,
        traceparent=traceparent,
    )
    return bool(inserted)
