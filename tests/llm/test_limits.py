"""Limits of the operator's: beyond them feedback is stored, and no question is asked."""

import json
import uuid
from collections.abc import Callable
from pathlib import Path

from tests.instance import Answer, Instance, running
from tests.llm.conftest import Row, llm_environ, post
from tests.llm.server import ModelServer
from tests.waiting import wait_until

NEUTRAL = {"difficulty_weight": 1.0, "feedback_based": False, "sentiment": "neutral"}

Rows = Callable[[str], list[Row]]


def snapshot(answer: Answer) -> object:
    assert answer.status == 200
    return answer.json()["strategy_snapshot"]


def is_based(answer: Answer) -> bool:
    return bool(answer.json()["strategy_snapshot"]["feedback_based"])


def post_as(function: Instance, student: str) -> Answer:
    feedback = {"student_id": student, "task_id": "t", "message": "m"}
    return function.request("POST", "/api/v1/feedback", json.dumps(feedback).encode())


def test_daily_tokens(
    llm_database: str, tmp_path: Path, model_server: ModelServer, rows: Rows
) -> None:
    """Beyond LLM_DAILY_TOKENS the row says so, and a repeat of the request gets the same."""
    key, task = {"Idempotency-Key": str(uuid.uuid4())}, str(uuid.uuid4())
    environ = llm_environ("openai", model_server.url, LLM_DAILY_TOKENS="3920")
    with running(tmp_path / "log", llm_database, **environ) as function:
        function.wait_until_ready()
        wait_until(lambda: "model answered" in function.log)  # the warm-up counts, too
        assert is_based(post(function, "one"))
        answer = post(function, "two", task, **key)
        assert snapshot(answer) == {**NEUTRAL, "not_asked": "daily tokens"}
        assert list(answer.json()["strategy_snapshot"])[:3] == list(NEUTRAL)
        assert post(function, "two", task, **key).body == answer.body
        assert len(model_server.requests) == 1
        assert '"reason":"daily tokens"' in function.log
    [row] = rows(task)
    assert (row["strategy_snapshot"], row["concern"]) == (snapshot(answer), "unassessed")


def test_student_hourly(llm_database: str, tmp_path: Path, model_server: ModelServer) -> None:
    """Beyond LLM_STUDENT_HOURLY a student's feedback is stored without a question."""
    student, other = str(uuid.uuid4()), str(uuid.uuid4())
    environ = llm_environ("openai", model_server.url, LLM_STUDENT_HOURLY="2")
    with running(tmp_path / "log", llm_database, **environ) as function:
        function.wait_until_ready()
        answers = [post_as(function, student) for _ in range(10)]
        assert [is_based(answer) for answer in answers] == [True] * 2 + [False] * 8
        assert snapshot(answers[-1]) == {**NEUTRAL, "not_asked": "student limit"}
        assert is_based(post_as(function, other))
        assert len(model_server.requests) == 3


def test_long_message(
    llm_database: str, tmp_path: Path, model_server: ModelServer, rows: Rows
) -> None:
    """A server of one's own gets the beginning and the end of a long message; the row has all."""
    task, message = str(uuid.uuid4()), f"first {'and ' * 1200}last"
    environ = llm_environ("openai", model_server.url)
    with running(tmp_path / "log", llm_database, **environ) as function:
        function.wait_until_ready()
        assert is_based(post(function, message, task))
    [request] = model_server.requests
    shown = json.loads(request.json()["messages"][-1]["content"])["message"]
    assert len(shown) == 2000
    assert shown.startswith("first and")
    assert shown.endswith("and last")
    [row] = rows(task)
    assert row["message"] == message
    assert row["concern"] == "unassessed"  # the model saw none, but not the whole message
