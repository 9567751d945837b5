"""Responses that servers really send, each after a public report, are read as they are meant.

A case has the response's `body`, as an object or as text, and its `format` if that is not OpenAI's.
`expect` has what differs from ANSWER, which most of the models give.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from function.llm.answer import read_answer
from function.llm.model import FORMATS
from function.llm.outcome import Answer, NoAnswer

CASES = [
    case
    for file in sorted((Path(__file__).parent / "corpus").glob("*.json"))
    for case in json.loads(file.read_text(encoding="utf-8"))
]
ANSWER = {
    "difficulty": "hard",
    "adjustment": -0.6,
    "sentiment": "frustrated",
    "weights": {"fractions": 1.0},
    "kind": "task",
    "understanding": "partial",
    "concern": "none",
    "repairs": [],
}
NONE = {"concern": "unassessed", "status": None}


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_corpus(case: dict[str, Any]) -> None:
    body = case["body"] if isinstance(case["body"], str) else json.dumps(case["body"])
    expected = {**(NONE if "reason" in case["expect"] else ANSWER), **case["expect"]}
    usage = expected.pop("usage", {})
    try:
        outcome: Answer | NoAnswer = read_answer(
            FORMATS[case.get("format", "openai")], body.encode(), "model-1"
        )
    except NoAnswer as exc:
        outcome = exc
    assert _seen(outcome) == expected
    assert {name: asdict(outcome.usage)[name] for name in usage} == usage


def _seen(outcome: Answer | NoAnswer) -> dict[str, Any]:
    if isinstance(outcome, NoAnswer):
        concern = outcome.concern.value
        return {"reason": outcome.reason.value, "concern": concern, "status": outcome.status}
    strategy, snapshot = outcome.strategy, outcome.strategy.snapshot.known()
    return {
        "difficulty": strategy.perceived_difficulty.value,
        "adjustment": strategy.difficulty_adjustment,
        "sentiment": strategy.sentiment,
        "weights": strategy.topic_weights,
        "kind": snapshot["kind"],
        "understanding": snapshot["understanding"],
        "concern": strategy.concern.value,
        "repairs": list(outcome.repairs),
    }


def test_each_case_has_its_report() -> None:
    assert len(CASES) >= 60
    assert all(case["report"].startswith("https://") for case in CASES)
    assert len({case["name"] for case in CASES}) == len(CASES)
