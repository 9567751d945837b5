"""The labelled set is large, balanced and valid."""

from collections import Counter
from collections.abc import Mapping

import pytest

from eval import examples
from eval.examples import KINDS, Example
from eval.scores import METRICS
from function.domain import Concern, Difficulty
from function.http.schema import parse_feedback
from function.llm.prompt import SENTIMENTS, taxonomy
from tests.instance import STUDENT

EXAMPLES = examples.load().examples
CONCERNS = [one.value for one in Concern if one is not Concern.UNASSESSED]
ALLOWED: Mapping[str, set[str]] = {
    "difficulty": {difficulty.value for difficulty in Difficulty},
    "sentiment": set(SENTIMENTS),
    "topics": set(taxonomy()),
    "adjustment": {"easier", "same", "harder"},
    "concern": set(CONCERNS),
}


# How many messages of each kind there are at least, where the evaluation needs many.
AT_LEAST = {"concern": 20, "look-alike": 15, "negation": 10, "injection": 10}


def first(label: str) -> Counter[str]:
    return Counter(getattr(example, label)[0] for example in EXAMPLES)


def test_size() -> None:
    """The set has at least 200 messages, all of them different."""
    assert len(EXAMPLES) >= 200
    for name in ("id", "task_id", "message"):
        assert len({getattr(example, name) for example in EXAMPLES}) == len(EXAMPLES)


def test_languages() -> None:
    """Each of twelve languages has at least eight messages, and most are not in English."""
    languages = Counter(example.language for example in EXAMPLES)
    assert len(languages) >= 12
    assert min(languages.values()) >= 8
    assert languages["en"] < len(EXAMPLES) / 2


def test_balance() -> None:
    """No label is rare, and no topic dominates."""
    assert min(first("difficulty").values()) >= len(EXAMPLES) / 5
    assert first("sentiment").keys() == set(SENTIMENTS)
    assert min(first("sentiment").values()) >= 15
    del (topics := first("topics"))["general"]
    assert max(topics.values()) <= len(EXAMPLES) / 12


def test_kinds() -> None:
    """Each kind of message occurs, and the important ones often."""
    kinds = Counter(example.kind for example in EXAMPLES)
    assert kinds.keys() == set(KINDS)
    assert all(kinds[kind] >= AT_LEAST.get(kind, 5) for kind in KINDS)


def test_concerns() -> None:
    """The messages of the kind concern, and only these, tell of a danger."""
    for example in EXAMPLES:
        assert (example.kind == "concern") == ("none" not in example.concern)
    assert first("concern").keys() == set(CONCERNS)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: str(example.id))
def test_examples(example: Example) -> None:
    """Each message is valid feedback, and each label is a possible answer with a reason."""
    parse_feedback({"student_id": STUDENT, "task_id": example.task_id, "message": example.message})
    for metric in METRICS:
        labels = getattr(example, metric)
        assert len(set(labels)) == len(labels) >= 1
        assert {*labels, example.second_opinion[metric]} <= ALLOWED[metric]
    assert example.reason.endswith(".")
    assert (example.kind == "off-topic") <= (example.topics == ("general",))


@pytest.mark.parametrize("metric", METRICS)
def test_second_opinion(metric: str) -> None:
    """A second reader, who saw the messages only, agrees with nearly all labels."""
    agreed = [one.second_opinion[metric] in getattr(one, metric) for one in EXAMPLES]
    assert sum(agreed) >= 0.9 * len(EXAMPLES)
