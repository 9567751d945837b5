"""The model's text becomes a strategy or nothing."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from function.domain import ModelSnapshot, Strategy
from function.llm.answer import parse_answer
from function.llm.outcome import NoAnswer, Reason
from function.llm.prompt import SENTIMENTS, answer_schema, taxonomy

TOPICS = st.lists(
    st.fixed_dictionaries(
        {
            "topic": st.sampled_from(list(taxonomy())),
            "weight": st.floats(min_value=0, exclude_min=True, allow_infinity=False)
            | st.integers(1, 10**300),
        }
    ),
    min_size=1,
    max_size=100,
)
ANSWERS = st.fixed_dictionaries(
    {
        "perceived_difficulty": st.sampled_from(["easy", "ok", "hard"]),
        "difficulty_adjustment": st.floats(-1, 1) | st.integers(-1, 1),
        "sentiment": st.sampled_from(SENTIMENTS),
        "topics": TOPICS,
    }
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
ANSWER = {
    "perceived_difficulty": "ok",
    "difficulty_adjustment": 0.5,
    "sentiment": "neutral",
    "topics": [{"topic": "general", "weight": 1}],
}


def parse(**changes: object) -> Strategy:
    return parse_answer(json.dumps({**ANSWER, **changes}), "model-1")


@given(ANSWERS)
def test_every_answer_within_the_schema_is_a_strategy(answer: dict[str, Any]) -> None:
    strategy = parse_answer(json.dumps(answer), "model-1")
    assert -1 <= strategy.difficulty_adjustment <= 1
    assert math.isclose(math.fsum(strategy.topic_weights.values()), 1, abs_tol=1e-9)
    assert all(0 < weight <= 1 for weight in strategy.topic_weights.values())
    assert set(strategy.topic_weights) <= {topic["topic"] for topic in answer["topics"]}
    assert isinstance(strategy.snapshot, ModelSnapshot)
    assert set(strategy.snapshot.topics) == set(strategy.topic_weights)


@given(
    st.text() | JSON.map(json.dumps) | JSON.map(lambda value: json.dumps({**ANSWER, "x": value}))
)
def test_everything_else_is_no_answer(text: str) -> None:
    with pytest.raises(NoAnswer) as caught:
        parse_answer(text, "model-1")
    assert caught.value.reason is Reason.INVALID_ANSWER


@given(st.sampled_from(list(ANSWER)), JSON)
def test_a_field_of_another_kind_is_no_answer(field: str, value: object) -> None:
    try:
        strategy = parse(**{field: value})
    except NoAnswer:
        return
    assert value in (strategy.perceived_difficulty.value, strategy.sentiment) or (
        field == "difficulty_adjustment" and isinstance(value, int | float) and -1 <= value <= 1
    )


def test_a_topic_that_comes_twice_is_one() -> None:
    topics = [{"topic": topic, "weight": 1} for topic in ("limits", "vectors", "limits", "proof")]
    assert parse(topics=topics).topic_weights == {"proof": 0.25, "limits": 0.5, "vectors": 0.25}


def test_weights_that_can_not_be_cut_evenly_still_sum_to_one() -> None:
    topics = [{"topic": topic, "weight": 7} for topic in ("limits", "vectors", "proof")]
    weights = parse(topics=topics).topic_weights
    assert math.fsum(weights.values()) == 1
    assert sorted(weights.values()) == [0.333333, 0.333333, 0.333334]


def test_true_is_no_number() -> None:
    with pytest.raises(NoAnswer):
        parse(difficulty_adjustment=True)


def test_minus_zero_is_zero_as_it_is_in_the_row() -> None:
    assert str(parse(difficulty_adjustment=-0.0).difficulty_adjustment) == "0.0"


@pytest.mark.parametrize("fence", ["```json\n%s\n```", "```\n%s```", "\n ```JSON\r\n%s\r\n```\n"])
def test_one_fence_is_taken_off(fence: str) -> None:
    assert parse_answer(fence % json.dumps(ANSWER), "model-1").sentiment == "neutral"


@pytest.mark.parametrize("text", ["```json\n%s\n```\nDone!", "```json\n```json\n%s\n```\n```"])
def test_what_is_around_a_fence_is_not(text: str) -> None:
    with pytest.raises(NoAnswer):
        parse_answer(text % json.dumps(ANSWER), "model-1")


def test_the_schema_is_closed_and_all_of_it_is_required() -> None:
    def check(schema: Any) -> None:
        if schema.get("type") == "object":
            assert schema["additionalProperties"] is False
            assert schema["required"] == list(schema["properties"])
            for inner in schema["properties"].values():
                check(inner)
        if schema.get("type") == "array":
            check(schema["items"])

    check(answer_schema())


def test_the_taxonomy_has_a_topic_for_all_else() -> None:
    assert 40 <= len(taxonomy()) <= 60
    assert "general" in taxonomy()
    assert all(topic.replace("-", "").isalpha() and text for topic, text in taxonomy().items())
