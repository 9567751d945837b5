"""Prompt injections against a model that obeys them: the answer stays in the closed schema.

Each attack is a student's message, and the output of a model that obeys it. A list in `obeys` is a
prefix, a text that is repeated, the number of repeats, and a suffix. `heard`: so much of the output
is within the schema that it is used.
"""

import json
import math
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from function.llm.prompt import KINDS, SENTIMENTS, UNDERSTANDINGS, taxonomy
from tests.instance import Instance, running
from tests.llm.conftest import KEY, Row, llm_environ, notes, post
from tests.llm.server import ModelServer, says

ATTACKS = json.loads(Path(__file__).with_name("injections.json").read_text(encoding="utf-8"))
MODELS = {"topics", "model", "prompt_version", "kind", "understanding"}
MARK = "pwned"  # each attack tries to smuggle this out


@pytest.fixture(scope="module")
def function(
    server: ModelServer, llm_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Instance]:
    log_file = tmp_path_factory.mktemp("llm") / "log"
    environ = llm_environ("openai", server.url, LLM_TIMEOUT="5", LOG_LEVEL="DEBUG")
    with running(log_file, llm_database, **environ) as instance:
        yield instance.wait_until_ready()
        assert instance.terminate() == 0
        assert MARK not in instance.log
        assert KEY not in instance.log
        assert "Traceback" not in instance.log


@pytest.mark.parametrize("attack", ATTACKS, ids=[attack["name"] for attack in ATTACKS])
def test_attacks(
    attack: dict[str, Any],
    function: Instance,
    server: ModelServer,
    rows: Callable[[str], list[Row]],
) -> None:
    """No attack puts its own text into the answer, the row's strategy or the log."""
    task = str(uuid.uuid4())
    server.behavior = says(_text(attack["obeys"]))

    answer = post(function, attack["message"], task)

    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    [row] = rows(task)
    assert row.pop("message") == attack["message"]
    for shown in (answer.body.decode(), json.dumps(row, default=str)):
        assert MARK not in shown
        assert KEY not in shown
    assert_closed(answer.json())
    heard = answer.json()["strategy_snapshot"]["feedback_based"]
    assert heard is attack["heard"]
    events = [note["event"] for note in notes(function, answer.headers["x-request-id"])]
    assert ("model answered" if heard else "model gave no answer") in events
    assert json.loads(server.requests[-1].json()["messages"][-1]["content"]) == {
        "task_id": task,
        "message": attack["message"],
    }


def _text(obeys: str | list[Any]) -> str:
    if isinstance(obeys, str):
        return obeys
    before, repeated, times, behind = obeys
    return str(before) + str(repeated) * int(times) + str(behind)


def assert_closed(update: dict[str, Any]) -> None:
    """Check that each field has one of the values that the schema allows."""
    assert set(update) == {
        *("student_id", "task_id", "difficulty_adjustment", "topic_weights", "sentiment"),
        *("strategy_snapshot", "timestamp"),
    }
    assert -1 <= update["difficulty_adjustment"] <= 1
    assert update["sentiment"] in SENTIMENTS
    assert set(update["topic_weights"]) <= set(taxonomy())
    assert math.isclose(sum(update["topic_weights"].values()), 1)
    snapshot = update["strategy_snapshot"]
    known = {"difficulty_weight", "feedback_based", "sentiment"}
    assert known <= set(snapshot) <= known | MODELS
    assert snapshot.get("kind", "task") in KINDS
    assert snapshot.get("understanding", "none") in UNDERSTANDINGS
    assert snapshot["sentiment"] == update["sentiment"]
