"""Every committed row becomes one record of mentor.feedback, in the form of the contract."""

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from dev.kafka.prepare import HEARTBEATS, TOPIC
from tests.conftest import open_connection
from tests.events.chain import ORIGINAL_INSERT, Chain, assert_event_of
from tests.events.contract import FIELDS, FIRST_FIELDS, JSON_IN_A_STRING, message, problems
from tests.events.revision import revise
from tests.events.topic import read
from tests.migrate.job import NO_TRACE

# The first test of a chain waits until the chain runs.
pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]

INSERT_AT = """
INSERT INTO feedback (student_id, perceived_difficulty, strategy_snapshot, created_at)
VALUES (CAST(:student AS uuid), 'ok', '{}', CAST(:time AS timestamptz))
"""


def test_feedback(chain: Chain, student: str) -> None:
    """Feedback becomes one record that contains its row; objects are JSON in a string."""
    answer = chain.post(student, "This is too hard").json()
    (record,) = chain.records_to_the_end(student)
    assert_event_of(record, chain.rows(student)[0])
    event = record.row()
    assert sorted(event) == sorted(FIELDS)
    assert event["created_at"] == answer["timestamp"]
    assert event["task_id"] == answer["task_id"]
    assert event["difficulty_adjustment"] == answer["difficulty_adjustment"]
    for name in JSON_IN_A_STRING:
        assert json.loads(event[name]) == answer[name]


@pytest.mark.parametrize(
    "message",
    [
        pytest.param("zu schwer, слишком сложно, 太难了, صعب جدا", id="scripts"),
        pytest.param("👩‍👩‍👧‍👦 🇺🇦 😀", id="emoji"),
        pytest.param('"\'\\ {"json": null} ${env:HOME} %s\r\n\t\x01\x7f\u2028\ufeff', id="quotes"),
        pytest.param("x" * 5000, id="the longest"),
        pytest.param("😀" * 5000, id="the longest in bytes"),
    ],
)
def test_messages(chain: Chain, student: str, message: str) -> None:
    """Messages arrive unchanged."""
    chain.post(student, message)
    (record,) = chain.records(student, 1)
    assert record.row()["message"] == message
    assert_event_of(record, chain.rows(student)[0])


@pytest.mark.parametrize(
    ("time", "text"),
    [
        ("2026-02-16 10:12:45.123456+00", "2026-02-16T10:12:45.123456Z"),
        ("2026-02-16 10:12:45.1+00", "2026-02-16T10:12:45.100000Z"),
        ("2026-02-16 10:12:00+00", "2026-02-16T10:12:00.000000Z"),
        ("2026-02-16 23:12:45.000001-05", "2026-02-17T04:12:45.000001Z"),
    ],
)
def test_time(chain: Chain, student: str, time: str, text: str) -> None:
    """A time is text in UTC with six digits of a second."""
    chain.run(INSERT_AT, student=student, time=time)
    (record,) = chain.records(student, 1)
    assert record.row()["created_at"] == text
    assert record.header("ce_time") == text.encode()


def test_older_row(chain: Chain) -> None:
    """A row that is older than the chain becomes a record of the same form."""
    (record,) = chain.records_to_the_end(chain.before["student_id"])
    assert_event_of(record, chain.before)


def test_original_service(chain: Chain, student: str) -> None:
    """A row of the original service becomes a record too."""
    chain.run(ORIGINAL_INSERT, student=student)
    (record,) = chain.records(student, 1)
    assert_event_of(record, chain.rows(student)[0])
    assert record.header("ce_traceparent") == NO_TRACE.encode()
    assert record.row()["task_id"] is None


def test_order(chain: Chain) -> None:
    """The records of a student stay in order, in one partition."""
    students = [str(uuid.uuid4()) for _ in range(48)]  # so that all three partitions get some

    def post_in_turn(student: str) -> None:
        for number in range(10):
            chain.post(student, str(number))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(post_in_turn, students))
    partitions = set()
    for student in students:
        records = chain.records(student, 10)
        assert [record.row()["message"] for record in records] == [str(n) for n in range(10)]
        assert len({record.partition for record in records}) == 1
        partitions.add(records[0].partition)
    assert partitions == {0, 1, 2}


def test_inserts_only(chain: Chain, student: str) -> None:
    """Updates, deletes and truncation make no records."""
    of_student = "WHERE student_id = CAST(:student AS uuid)"
    chain.post(student, "as it was")
    chain.run(f"UPDATE feedback SET message = 'changed' {of_student}", student=student)
    chain.run(f"DELETE FROM feedback {of_student}", student=student)
    chain.run("TRUNCATE feedback")
    (record,) = chain.records_to_the_end(student)
    assert record.row()["message"] == "as it was"


def test_rollback(chain: Chain, student: str) -> None:
    """A row that is rolled back makes no record."""
    with closing(open_connection(chain.database)) as connection:
        connection.run("BEGIN")
        connection.run(ORIGINAL_INSERT, student=student)
        connection.run("ROLLBACK")
    assert chain.records_to_the_end(student) == []


def test_revision(chain: Chain, student: str) -> None:
    """A revision becomes a record of its own type, after that of its feedback."""
    answer = chain.post(student, "too hard").json()
    revise(chain.database, student)
    feedback, revision = chain.records_to_the_end(student)
    headers = {name: (value or b"").decode() for name, value in revision.headers}
    value = revision.row()
    assert problems(revision.student, headers, value, "strategyRevised") == []
    assert len(revision.headers) == len(message("strategyRevised")["headers"]["required"])
    assert value["feedback_id"] == headers["ce_subject"] == feedback.row()["id"]
    assert value["feedback_created_at"] == answer["timestamp"]
    copied = [value["id"], value["created_at"], value["traceparent"]]
    assert copied == [headers["ce_id"], headers["ce_time"], headers["ce_traceparent"]]
    assert json.loads(value["topic_weights"]) == {"general": 1.0}


def test_topic(chain: Chain, student: str) -> None:
    """The topic contains only feedback and revisions: no heartbeats and no other tables."""
    chain.run("CREATE TABLE IF NOT EXISTS other (id int PRIMARY KEY)")
    chain.run("INSERT INTO other SELECT coalesce(max(id), 0) + 1 FROM other")
    read(chain.kafka.bootstrap, HEARTBEATS, bool)  # there is one every ten seconds
    chain.post(student, "the last one")
    records = read(
        chain.kafka.bootstrap, TOPIC, lambda found: any(r.student == student for r in found)
    )
    for record in records:
        if record.header("ce_type") != b"mentor.strategy.revised":
            assert record.header("ce_type") == b"mentor.strategy.updated"
            assert set(FIRST_FIELDS) <= set(record.row())  # another test may have added a column
