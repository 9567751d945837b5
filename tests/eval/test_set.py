"""The labelled set is large, balanced and valid."""

from collections import Counter

import pytest

from eval import examples
from eval.examples import Example
from function.domain import Difficulty
from function.http.schema import parse_feedback
from function.llm.prompt import SENTIMENTS, taxonomy
from tests.instance import STUDENT

EXAMPLES = examples.load().examples


def first(label: str) -> Counter[str]:
    return Counter(getattr(example, label)[0] for example in EXAMPLES)


def test_size() -> None:
    """The set has 60 different messages."""
    assert len(EXAMPLES) == 60
    for name in ("id", "task_id", "message"):
        assert len({getattr(example, name) for example in EXAMPLES}) == 60


def test_languages() -> None:
    """The set has at least eight languages, and is mostly not English."""
    languages = Counter(example.language for example in EXAMPLES)
    assert len(languages) >= 8
    assert languages["en"] < 30
    assert sum(count >= 4 for count in languages.values()) >= 8


def test_balance() -> None:
    """Difficulties and sentiments are balanced, and no topic dominates."""
    assert first("difficulty") == {"easy": 20, "ok": 20, "hard": 20}
    assert set(first("sentiment").values()) == {12}
    assert max(first("topics").values()) <= 6


def test_kinds() -> None:
    """Each of the six kinds of message occurs at least four times."""
    kinds = Counter(example.kind for example in EXAMPLES)
    assert min(kinds.values()) >= 4
    assert len(kinds) == 6


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: str(example.id))
def test_examples(example: Example) -> None:
    """Each message is valid feedback, and each label is a possible answer."""
    parse_feedback({"student_id": STUDENT, "task_id": example.task_id, "message": example.message})
    assert set(example.difficulty) <= {difficulty.value for difficulty in Difficulty}
    assert set(example.sentiment) <= set(SENTIMENTS)
    assert set(example.topics) <= taxonomy().keys()
    for labels in (example.difficulty, example.sentiment, example.topics):
        assert len(set(labels)) == len(labels) >= 1
    assert (example.kind == "off-topic") <= (example.topics == ("general",))
