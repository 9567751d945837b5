"""A concern reaches the row and the log, whatever LOG_LEVEL is, and never the HTTP answer."""

import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import open_connection
from tests.hosts.conftest import Rows
from tests.hosts.events import event, replayed, send_batch, send_binary, send_structured
from tests.instance import FEEDBACK, ROOT, Answer, Instance, running

WORDS = "Mia hits me"  # what a student says, and no log line repeats
CONCERNS = ("self_harm", "abuse", "violence", "bullying", "other")
ANALYZER = str(ROOT / "tests/hosts/concerns")
REFUSE_ALL = "ALTER TABLE feedback ADD CHECK (message = '')"


@pytest.fixture
def function(host: str, hosts_database: str, tmp_path: Path) -> Iterator[Instance]:
    """An instance whose analyzer finds the concern that a message names."""
    environ = {"PYTHONPATH": ANALYZER, "LOG_LEVEL": "ERROR"}
    with running(tmp_path / "log", hosts_database, host, **environ) as instance:
        yield instance.wait_until_ready()


def concerns(function: Instance) -> list[tuple[str, str, str, str]]:
    """What the log has of concerns, after the end of the process."""
    assert function.terminate() == 0
    lines = [line for line in function.events() if line["event"].startswith("concern")]
    return [(line["level"], line["event"], line["row_id"], line["concern"]) for line in lines]


def shows_nothing(answer: Answer, plain: dict[str, Any]) -> bool:
    """Whether the answer has the fields of any other answer, and no name of a concern."""
    text = answer.body + repr(answer.headers).encode()
    updates = answer.json() if isinstance(answer.json(), list) else [answer.json()]
    return not any(name.encode() in text for name in ("concern", *CONCERNS)) and all(
        list(it.get("data", it)) == list(plain) for it in updates
    )


def test_a_concern_is_in_the_row_and_in_no_answer(
    function: Instance, student: str, rows: Rows
) -> None:
    feedback = {**FEEDBACK, "student_id": student, "task_id": "1"}
    plain = function.post(feedback).json()
    abuse = {**feedback, "message": f"{WORDS} (abuse)"}
    key = {"Idempotency-Key": "k"}
    answers = [
        function.post({**feedback, "message": f"{WORDS} (self_harm)"}),
        *[function.post(abuse, key) for _ in range(2)],
        *[send_binary(function, event(student, "1", f"{WORDS} (violence)")) for _ in range(2)],
        *[send_structured(function, event(student, "2", f"{WORDS} (bullying)")) for _ in range(2)],
        *[
            send_batch(function, *[event(student, number, f"{WORDS} (other)") for number in "345"])
            for _ in range(2)
        ],
    ]

    assert {answer.status for answer in answers} == {200}
    assert [replayed(it) for it in answers] == [None, *[None, "true"] * 4]
    assert all(shows_nothing(answer, plain) for answer in answers)
    stored = [(row["concern"], str(row["id"])) for row in rows(student)]
    order = ["none", *CONCERNS[:4], *["other"] * 3]
    assert sorted(concern for concern, _ in stored) == sorted(order)
    logged = concerns(function)
    assert sorted(logged) == sorted(
        ("WARNING", "concern stored", row_id, concern)
        for concern, row_id in stored
        if concern != "none"
    )
    assert function.log.count('"event":"concern ') == len(logged)  # the guide's query
    assert WORDS not in function.log
    assert student not in function.log


def test_a_concern_whose_row_is_refused_is_logged(
    host: str, feedback_database: str, tmp_path: Path
) -> None:
    """No row and no event will tell of it, and the client may never try again."""
    with closing(open_connection(feedback_database)) as connection:
        connection.run(REFUSE_ALL)
    environ = {"PYTHONPATH": ANALYZER, "LOG_LEVEL": "ERROR"}
    with running(tmp_path / "log", feedback_database, host, **environ) as function:
        function.wait_until_ready()
        answer = function.post({**FEEDBACK, "message": f"{WORDS} (abuse)"})
        assert answer.status == 500
        [(level, event_name, row_id, concern)] = concerns(function)
    assert (level, event_name, concern) == ("ERROR", "concern not stored", "abuse")
    assert uuid.UUID(row_id).version == 7
    assert b"abuse" not in answer.body
    assert WORDS not in function.log
