"""Feedback that is older than RETENTION_DAYS is deleted, and its counts stay."""

import pytest

from function.store import erasure
from tests.erasure.job import (
    REVISE,
    WORD,
    counts,
    execute,
    insert,
    places_of,
    retain,
)

AGES = "SELECT DISTINCT extract(day FROM now() - created_at)::int AS age FROM feedback ORDER BY age"


def insert_aged(url: str, days: int, count: int = 1) -> str:
    at = execute(url, f"SELECT (now() - interval '{days} days 1 hour')::text")[0][0]
    return insert(url, count, at=at)


def test_old_feedback_is_deleted_and_counted(feedback_database: str) -> None:
    old = insert_aged(feedback_database, 30, 2 * erasure.BATCH)
    execute(feedback_database, REVISE, student=old)
    insert_aged(feedback_database, 29)
    done = retain(feedback_database, "30")
    assert done.code == 0, done.output
    [line] = done.lines("old feedback deleted")
    assert (line["feedback"], line["revisions"]) == (2 * erasure.BATCH, 1)
    assert execute(feedback_database, AGES) == [[29]]
    assert sum(number for *_, topic, number in counts(feedback_database) if topic == "") == (
        2 * erasure.BATCH
    )
    assert places_of(feedback_database, old) == []
    assert retain(feedback_database, "30").lines("old feedback deleted")[0]["feedback"] == 0
    assert retain(feedback_database, "29").code == 0
    assert places_of(feedback_database, WORD) == []


def test_old_erasures_and_revisions_without_feedback_go_too(feedback_database: str) -> None:
    for days in (10, 30):
        student = insert_aged(feedback_database, days)
        execute(feedback_database, REVISE, student=student)
        execute(
            feedback_database,
            "INSERT INTO student_erasure (student_id, created_at)"
            f" VALUES (CAST(:student AS uuid), now() - interval '{days} days')",
            student=student,
        )
    execute(feedback_database, "DELETE FROM feedback")
    [line] = retain(feedback_database, "20").lines("old feedback deleted")
    assert (line["feedback"], line["revisions"]) == (0, 1)
    assert places_of(feedback_database, student) == []
    for table in ("strategy_revision", "student_erasure"):
        assert execute(feedback_database, f"SELECT count(*) FROM {table}") == [[1]]


@pytest.mark.parametrize("days", ["", "0", "-1", "1.5", "ever", "36501"])
def test_without_a_number_of_days_nothing_is_deleted(feedback_database: str, days: str) -> None:
    insert_aged(feedback_database, 3000)
    done = retain(feedback_database, days)
    assert done.code == 2
    assert "RETENTION_DAYS: " in done.output
    assert execute(feedback_database, "SELECT count(*) FROM feedback") == [[1]]


def test_mentor_eraser_may_and_the_function_may_not(
    feedback_database: str, eraser: str, writer: str
) -> None:
    insert_aged(feedback_database, 30)
    refused = retain(writer, "20")
    assert refused.code == 1
    assert "permission denied" in refused.lines("retention ended early")[0]["reason"]
    assert retain(eraser, "20").code == 0
    assert places_of(feedback_database, WORD) == []
