"""Deletion of feedback, for one student or by age. Its counts stay in `feedback_count`."""

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import NamedTuple
from uuid import UUID

from function.store.driver import CONNECTION_ERRORS, Connection, DatabaseError
from function.store.faults import describe

BATCH = 1000  # rows a transaction: some 50 ms

# Without row_security, a policy that hides rows is an error. SET LOCAL also works behind a pooler.
# Other styles write the name of a time zone, which can mean another one when it is read again.
BEGIN = """
BEGIN ISOLATION LEVEL READ COMMITTED;
SET LOCAL DateStyle = ISO;
SET LOCAL row_security = off;
SET LOCAL lock_timeout = '10s'
"""
# Otherwise reanalyze.py could insert a revision of feedback whose deletion is not committed yet. It
# also keeps two runs apart. Inserts into feedback don't wait for it.
LOCK = "LOCK TABLE public.strategy_revision IN SHARE ROW EXCLUSIVE MODE"
OF_A_STUDENT = "SELECT id FROM public.feedback WHERE student_id = :student ORDER BY created_at"
BEFORE = "now() - make_interval(days => CAST(:days AS int))"
OLD = f"SELECT id FROM public.feedback WHERE created_at < {BEFORE} ORDER BY created_at"
# A revision decides instead of its feedback. A topic that is not in the taxonomy could be a name.
DELETE = f"""
WITH chosen AS MATERIALIZED ({{chosen}} LIMIT {BATCH}),
feedback AS (
    DELETE FROM public.feedback WHERE id = ANY (ARRAY(SELECT id FROM chosen)) RETURNING *
), revision AS (
    DELETE FROM public.strategy_revision WHERE feedback_id = ANY (ARRAY(SELECT id FROM chosen))
    RETURNING *
), counted AS (
    SELECT CAST(date_trunc('week', feedback.created_at AT TIME ZONE 'UTC') AS date) AS week,
           coalesce(revision.perceived_difficulty, feedback.perceived_difficulty) AS difficulty,
           coalesce(revision.topic_weights, feedback.topic_weights) AS weights
    FROM feedback LEFT JOIN revision ON feedback_id = feedback.id
), totals AS (
    INSERT INTO public.feedback_count AS total (week, perceived_difficulty, topic, number)
    SELECT week, difficulty, topic, count(*)
    FROM counted CROSS JOIN LATERAL (
        SELECT '' AS topic
        UNION SELECT CASE WHEN CAST(:topics AS jsonb) ? name THEN name ELSE 'general' END
        FROM jsonb_object_keys(
            CASE jsonb_typeof(weights) WHEN 'object' THEN weights ELSE '{{{{}}}}' END) AS name
    ) AS topics
    GROUP BY week, difficulty, topic
    ON CONFLICT (week, perceived_difficulty, topic)
    DO UPDATE SET number = total.number + excluded.number
)
SELECT (SELECT count(*) FROM chosen), (SELECT count(*) FROM feedback),
       (SELECT count(*) FROM revision), (SELECT CAST(max(created_at) AS text) FROM feedback)
"""
DELETE_OF_A_STUDENT = DELETE.format(chosen=OF_A_STUDENT)
DELETE_OLD = DELETE.format(chosen=OLD)
# Revisions whose feedback was deleted by hand, or that PostgreSQL kept. Both counts see the
# table as it was before.
DELETE_REVISIONS = """
WITH deleted AS (DELETE FROM public.strategy_revision WHERE {condition} RETURNING id)
SELECT (SELECT count(*) FROM public.strategy_revision WHERE {condition}),
       (SELECT count(*) FROM deleted)
"""
DELETE_REVISIONS_OF_A_STUDENT = DELETE_REVISIONS.format(condition="student_id = :student")
DELETE_OLD_REVISIONS = DELETE_REVISIONS.format(condition=f"feedback_created_at < {BEFORE}")
DELETE_OLD_ERASURES = f"DELETE FROM public.student_erasure WHERE created_at < {BEFORE}"
# Not before any of the deleted rows: consumers compare the times. The server's clock may have been
# set back since a row was written.
INSERT_ERASURE = """
INSERT INTO public.student_erasure (student_id, created_at)
VALUES (:student, greatest(clock_timestamp(), CAST(:latest AS timestamptz)))
RETURNING id
"""
COUNT = """
SELECT (SELECT count(*) FROM public.feedback WHERE student_id = :student),
       (SELECT count(*) FROM public.strategy_revision WHERE student_id = :student)
"""


class RowsKept(Exception):
    """PostgreSQL did not do what it was told, and gave no error."""


ERRORS = (RowsKept, DatabaseError, *CONNECTION_ERRORS)


def explain(error: BaseException) -> str:
    """Say for a log, without any value of a row, why one of the ERRORS ended a run."""
    return str(error) if isinstance(error, RowsKept) else describe(error)


class Deleted(NamedTuple):
    """What a transaction deleted; `latest` is the newest created_at, as PostgreSQL's text."""

    feedback: int
    revisions: int
    latest: str | None
    was_last: bool


def count(connection: Connection, student: UUID) -> tuple[int, int]:
    """Return the student's rows in `feedback` and in `strategy_revision`."""
    with _transaction(connection):
        [[feedback, revisions]] = connection.run(COUNT, student=student)
    return feedback, revisions


def erase(connection: Connection, student: UUID, topics: Collection[str]) -> Iterator[Deleted]:
    """Delete the student's feedback, one transaction at a time.

    The last one also inserts the event, even if there was no feedback: consumers may have some.
    """
    was_last = False
    latest = None
    while not was_last:
        with _transaction(connection):
            sql = DELETE_OF_A_STUDENT, DELETE_REVISIONS_OF_A_STUDENT
            deleted = _delete(connection, *sql, topics, student=student)
            latest = deleted.latest or latest
            if was_last := deleted.was_last:
                inserted = connection.run(INSERT_ERASURE, student=student, latest=latest)
                if not inserted:
                    raise RowsKept("PostgreSQL did not store the erasure: is there a trigger?")
        yield deleted


def expire(connection: Connection, days: int, topics: Collection[str]) -> Iterator[Deleted]:
    """Delete all that is older, one transaction at a time."""
    was_last = False
    while not was_last:
        with _transaction(connection):
            deleted = _delete(connection, DELETE_OLD, DELETE_OLD_REVISIONS, topics, days=days)
            if was_last := deleted.was_last:
                connection.run(DELETE_OLD_ERASURES, days=days)
        yield deleted


def _delete(
    connection: Connection, sql: str, rest: str, topics: Collection[str], **parameters: object
) -> Deleted:
    """Delete a batch of feedback, and after the last one the `rest`: revisions without feedback."""
    connection.run(LOCK)
    [[chosen, feedback, revisions, latest]] = connection.run(
        sql, topics=json.dumps(list(topics)), **parameters
    )
    was_last = chosen < BATCH
    left, more = connection.run(rest, **parameters)[0] if was_last else (0, 0)
    if feedback < chosen or more < left:
        raise RowsKept("PostgreSQL kept rows that it was told to delete: is there a trigger?")
    revisions += more
    return Deleted(feedback, revisions, latest, was_last)


@contextmanager
def _transaction(connection: Connection) -> Iterator[None]:
    """Commit at the end of the block. After an error the connection must be closed."""
    connection.run(BEGIN)
    yield
    connection.run("COMMIT")
