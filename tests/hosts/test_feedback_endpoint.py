"""The answer to feedback, and the row that is stored."""

import json
import re
from datetime import UTC, datetime

import pytest
from pg8000.native import Connection

from tests.hosts.conftest import TIME_ZONE, Rows
from tests.instance import FEEDBACK, PATH, Instance

SNAPSHOT = {"difficulty_weight": 1.0, "feedback_based": True, "sentiment": "neutral"}
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-0[01]")


def test_answer(instance: Instance, student: str) -> None:
    """The answer has the fields of the contract, in the same order."""
    answer = instance.post({**FEEDBACK, "student_id": student})

    body = answer.json()
    expected = {
        "student_id": student,
        "task_id": "task-123",
        "difficulty_adjustment": 0.0,
        "topic_weights": {"general": 1.0},
        "sentiment": "neutral",
        "strategy_snapshot": SNAPSHOT,
        "timestamp": body["timestamp"],
    }
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert "idempotency-replayed" not in answer.headers
    assert json.dumps(body) == json.dumps(expected)  # compares the order, and 0.0 with 0


def test_row(instance: Instance, student: str, rows: Rows) -> None:
    """The row contains the feedback and the whole strategy."""
    instance.post({**FEEDBACK, "student_id": student})

    [row] = rows(student)
    assert row.pop("id").version == 7
    assert TRACEPARENT.fullmatch(row.pop("traceparent"))
    del row["created_at"]
    assert {**row, "student_id": str(row["student_id"])} == {
        "student_id": student,
        "task_id": "task-123",
        "message": "This is too hard",
        "perceived_difficulty": "ok",
        "difficulty_adjustment": 0.0,
        "topic_weights": {"general": 1.0},
        "sentiment": "neutral",
        "strategy_snapshot": SNAPSHOT,
        "concern": "unassessed",
    }


def test_timestamp(
    instance: Instance, student: str, rows: Rows, database_connection: Connection
) -> None:
    """The timestamp is the row's created_at in UTC, in any time zone of the database."""
    timestamp = instance.post({**FEEDBACK, "student_id": student}).json()["timestamp"]

    assert database_connection.run("SHOW timezone") == [[TIME_ZONE]]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", timestamp)
    [row] = rows(student)
    assert datetime.fromisoformat(timestamp) == row["created_at"]
    assert abs((datetime.now(UTC) - row["created_at"]).total_seconds()) < 60


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/feedback",
        "/api/v1/feedback/",
        "/v1/feedback",
        "/v1/feedback/",
        "/v1/feedback?student=1&a[]=%00",
        "/api/v1/f%65edback",
    ],
)
def test_paths(instance: Instance, student: str, rows: Rows, path: str) -> None:
    """Trailing slashes, queries and percent-encoding do not change the path."""
    body = json.dumps({**FEEDBACK, "student_id": student}).encode()

    assert instance.request("POST", path, body).status == 200
    assert len(rows(student)) == 1


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/json; charset=utf-16",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain",
        "nonsense",
    ],
)
def test_content_type(instance: Instance, student: str, content_type: str) -> None:
    """The body is read as JSON, whatever its Content-Type is."""
    headers = {"Content-Type": content_type}

    assert instance.post({**FEEDBACK, "student_id": student}, headers).status == 200


def test_unknown_fields(instance: Instance, student: str, rows: Rows) -> None:
    """Unknown fields are ignored."""
    unknown = {"id": "x", "timestamp": 5, "sentiment": "angry", "": [{"message": None}], "é": -1}

    assert instance.post({**unknown, **FEEDBACK, "student_id": student}).status == 200
    assert rows(student)[0]["sentiment"] == "neutral"


def test_repeated_field(instance: Instance, student: str, rows: Rows) -> None:
    """If a field is repeated, its last value counts."""
    body = f'{{"message": 5, "task_id": "t", "student_id": "{student}", "message": "last"}}'

    assert instance.request("POST", PATH, body.encode()).status == 200
    assert rows(student)[0]["message"] == "last"


def test_trace(instance: Instance, student: str, rows: Rows) -> None:
    """The row continues the request's trace with a new span."""
    span = "00f067aa0ba902b7"
    headers = {"traceparent": f"00-{TRACE}-{span}-01"}

    instance.post({**FEEDBACK, "student_id": student}, headers)

    match = TRACEPARENT.fullmatch(rows(student)[0]["traceparent"])
    assert match
    assert match[1] == TRACE
    assert match[2] not in (span, "0" * 16)
    assert match[0].endswith("01")
