"""The labelled set is one that a provider can be measured with."""

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


def test_it_has_sixty_messages_and_none_twice() -> None:
    assert len(EXAMPLES) == 60
    for name in ("id", "task_id", "message"):
        assert len({getattr(example, name) for example in EXAMPLES}) == 60


def test_it_speaks_at_least_eight_languages_and_mostly_not_english() -> None:
    languages = Counter(example.language for example in EXAMPLES)
    assert len(languages) >= 8
    assert languages["en"] < 30
    assert sum(count >= 4 for count in languages.values()) >= 8


def test_it_is_balanced() -> None:
    assert first("difficulty") == {"easy": 20, "ok": 20, "hard": 20}
    assert set(first("sentiment").values()) == {12}
    assert max(first("topics").values()) <= 6


def test_each_kind_of_message_is_there() -> None:
    kinds = Counter(example.kind for example in EXAMPLES)
    assert min(kinds.values()) >= 4
    assert len(kinds) == 6


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: str(example.id))
def test_each_message_could_be_feedback_and_each_label_an_answer(example: Example) -> None:
    parse_feedback({"student_id": STUDENT, "task_id": example.task_id, "message": example.message})
    assert set(example.difficulty) <= {difficulty.value for difficulty in Difficulty}
    assert set(example.sentiment) <= set(SENTIMENTS)
    assert set(example.topics) <= taxonomy().keys()
    for labels in (example.difficulty, example.sentiment, example.topics):
        assert len(set(labels)) == len(labels) >= 1
    assert (example.kind == "off-topic") <= (example.topics == ("general",))
