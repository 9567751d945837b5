"""A bug is answered without its text, and logged once, in full, but for what a student said."""

import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests.conftest import open_connection
from tests.instance import FEEDBACK, Instance, running

MESSAGE = "my-secret-message"
TASK = "my-secret-task"
PASSWORD = "my-secret-password"

# PostgreSQL's texts quote the row: in the message, and a constraint's in the detail.
TROUBLE = f"""
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.task_id = '{TASK}-trigger' THEN
        RAISE EXCEPTION 'refused: % %', NEW.message, NEW.task_id
            USING DETAIL = NEW.message, HINT = NEW.message;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER refuse BEFORE INSERT ON feedback FOR EACH ROW EXECUTE FUNCTION refuse();
ALTER TABLE feedback ADD CONSTRAINT refused CHECK (task_id <> '{TASK}-check');
"""


@pytest.fixture
def function(host: str, feedback_database: str, tmp_path: Path) -> Iterator[Instance]:
    """An instance whose PostgreSQL refuses some rows, and that was told a password."""
    parts = urlsplit(feedback_database)
    role = f"told_{uuid.uuid4().hex}"
    url = urlunsplit(parts._replace(netloc=f"{role}:{PASSWORD}@{parts.hostname}:{parts.port}"))
    with closing(open_connection(feedback_database)) as connection:
        connection.run(TROUBLE)
        connection.run(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}' IN ROLE mentor_writer")
        try:
            with running(tmp_path / "log", url, host, LOG_LEVEL="DEBUG") as instance:
                yield instance.wait_until_ready()
        finally:
            connection.run(f"DROP ROLE {role}")


def test_refused_row(
    function: Instance,
) -> None:
    """A refused row gets 500 without details, and is logged once with its stack."""
    feedback = {**FEEDBACK, "message": MESSAGE, "task_id": f"{TASK}-trigger"}

    answer = function.post(feedback, {"X-Request-Id": "the-bug"})
    problem = function.post(feedback, {"Accept": "application/problem+json"})

    assert function.terminate() == 0
    assert answer.status == problem.status == 500
    assert answer.json() == {"code": "INTERNAL_ERROR", "message": "internal error"}
    assert (problem.json()["code"], problem.json()["detail"]) == (
        "INTERNAL_ERROR",
        "internal error",
    )
    assert answer.headers["x-request-id"] == "the-bug"
    lines = [event for event in function.events() if event.get("request_id") == "the-bug"]
    [error] = [line for line in lines if "stack" in line]
    [request] = [line for line in lines if line["event"] == "request"]
    assert lines == [error, request]
    assert (error["level"], error["reason"]) == ("ERROR", "SQLSTATE P0001")
    assert "function.store.jobs.RowRefused" in error["stack"]
    assert (request["status"], request["code"]) == (500, "INTERNAL_ERROR")


def test_secrets(function: Instance) -> None:
    """The log contains no message, no task and no password."""
    feedback = {**FEEDBACK, "message": MESSAGE, "task_id": TASK}

    statuses = [
        function.post({**feedback, **changes}, {"Idempotency-Key": "1"}).status
        for changes in (
            {},
            {"message": f"{MESSAGE} again"},
            {"message": f"{MESSAGE}\0"},
            {"student_id": MESSAGE},
            {"task_id": f"{TASK}-trigger", "student_id": "0b9d6a0e-2f5e-4d8b-9f0e-0f6d3c1a7b11"},
            {"task_id": f"{TASK}-check", "student_id": "0b9d6a0e-2f5e-4d8b-9f0e-0f6d3c1a7b12"},
        )
    ]
    broken = function.request("POST", "/v1/feedback", f'{{"message": "{MESSAGE}"'.encode()).status
    assert function.terminate() == 0

    assert (statuses, broken) == ([200, 422, 400, 400, 500, 500], 400)
    assert [event["event"] for event in function.events()].count("request") >= 7
    assert MESSAGE not in function.log
    assert TASK not in function.log
    assert PASSWORD not in function.log
