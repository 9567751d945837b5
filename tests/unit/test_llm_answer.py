"""The model's text becomes a strategy: what can be repaired is, and all else is no answer."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from function.domain import Concern, ModelSnapshot
from function.llm.answer import read_answer
from function.llm.anthropic import AnthropicFormat
from function.llm.openai import OpenAiFormat
from function.llm.outcome import Answer, NoAnswer, Reason
from function.llm.prompt import (
    CONCERNS,
    DIFFICULTIES,
    KEYS,
    KINDS,
    SENTIMENTS,
    STEPS,
    UNDERSTANDINGS,
    WEIGHTS,
    answer_schema,
    example_pairs,
    schema_in_words,
    taxonomy,
)
from tests.instance import ROOT

TOPIC = st.fixed_dictionaries(
    {"topic": st.sampled_from(list(taxonomy())), "weight": st.sampled_from(list(WEIGHTS))}
)
ANSWERS = st.fixed_dictionaries(
    {
        "evidence": st.text(),
        "kind": st.sampled_from(KINDS),
        "perceived_difficulty": st.sampled_from(DIFFICULTIES),
        "understanding": st.sampled_from(UNDERSTANDINGS),
        "sentiment": st.sampled_from(SENTIMENTS),
        "difficulty_adjustment": st.sampled_from(list(STEPS)),
        "topics": st.lists(TOPIC, min_size=1, max_size=5, unique_by=lambda one: one["topic"]),
        "concern": st.sampled_from(CONCERNS),
    }
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
ANSWER: dict[str, Any] = {
    "evidence": "so so",
    "kind": "task",
    "perceived_difficulty": "ok",
    "understanding": "partial",
    "sentiment": "neutral",
    "difficulty_adjustment": "slightly_harder",
    "topics": [{"topic": "general", "weight": "high"}],
    "concern": "none",
}


def read(text: str) -> Answer:
    choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return read_answer(OpenAiFormat(), json.dumps({"choices": [choice]}).encode(), "model-1")


def answer(**changes: object) -> Answer:
    return read(json.dumps({**ANSWER, **changes}))


def nested(value: object, depth: int) -> object:
    """The value inside of lists."""
    for _ in range(depth):
        value = [value]
    return value


@given(ANSWERS)
def test_an_answer_within_the_schema_needs_no_repair_but_that_of_the_sign(
    given: dict[str, Any],
) -> None:
    found = read(json.dumps(given))
    assert set(found.repairs) <= {"sign"}
    strategy, snapshot = found.strategy, found.strategy.snapshot
    assert isinstance(snapshot, ModelSnapshot)
    assert (snapshot.kind, snapshot.understanding) == (given["kind"], given["understanding"])
    assert strategy.difficulty_adjustment in {0.0, STEPS[given["difficulty_adjustment"]]}
    assert set(strategy.topic_weights) == {topic["topic"] for topic in given["topics"]}
    assert strategy.concern.value == given["concern"]


@given(st.sampled_from(KEYS), JSON)
def test_no_value_of_any_kind_leaves_the_schema(key: str, value: object) -> None:
    strategy = answer(**{key: value}).strategy
    assert strategy.difficulty_adjustment in STEPS.values()
    assert strategy.sentiment in SENTIMENTS
    assert set(strategy.topic_weights) <= set(taxonomy())
    assert 1 <= len(strategy.topic_weights) <= 5
    assert math.isclose(math.fsum(strategy.topic_weights.values()), 1, abs_tol=1e-9)
    assert all(0 < weight <= 1 for weight in strategy.topic_weights.values())
    assert strategy.snapshot.difficulty_weight >= 0.2


@given(st.text() | JSON.map(json.dumps))
def test_a_text_without_difficulty_and_sentiment_is_no_answer(text: str) -> None:
    with pytest.raises(NoAnswer) as caught:
        read(text)
    assert caught.value.reason is Reason.INVALID_ANSWER


@pytest.mark.parametrize(
    ("key", "default"), [("perceived_difficulty", "ok"), ("sentiment", "neutral")]
)
def test_one_of_difficulty_and_sentiment_is_enough(key: str, default: str) -> None:
    found = answer(**{key: "pwned"})
    values = (found.strategy.perceived_difficulty.value, found.strategy.sentiment)
    assert default in values
    assert found.repairs == (key,)


@pytest.mark.parametrize(
    ("difficulty", "adjustment", "used"),
    [
        ("hard", "harder", 0),
        ("easy", "much_easier", 0),
        ("hard", "slightly_easier", -0.3),
        ("easy", "same", 0),
        ("ok", "much_harder", 1),
        ("hard", 0.9, 0),
    ],
)
def test_the_difficulty_decides_the_sign(difficulty: str, adjustment: object, used: float) -> None:
    found = answer(perceived_difficulty=difficulty, difficulty_adjustment=adjustment)
    assert found.strategy.difficulty_adjustment == used
    assert found.strategy.snapshot.difficulty_weight == 1 + used


def test_the_easiest_step_leaves_a_task() -> None:
    strategy = answer(perceived_difficulty="hard", difficulty_adjustment="much_easier").strategy
    assert (strategy.difficulty_adjustment, strategy.snapshot.difficulty_weight) == (-1, 0.2)


@pytest.mark.parametrize(
    ("given", "step"),
    [(0.7, 0.6), ("0.7", 0.6), (10**400, 1.0), (-1e308, -1.0), (float("nan"), 0.0), (True, 0.0),
     (None, 0.0), ("Much-Harder", 1.0), (-0.0, 0.0)],
)  # fmt: skip
def test_a_number_becomes_a_step(given: object, step: float) -> None:
    found = answer(difficulty_adjustment=given).strategy.difficulty_adjustment
    assert str(found) == str(step)


@pytest.mark.parametrize(
    ("topics", "weights"),
    [
        ([{"topic": "limits", "weight": 3}, {"topic": "proof", "weight": 1}], (0.75, 0.25)),
        ([{"topic": "Limits"}, {"topic": "limits", "weight": 0}, {"topic": "x"}], (1.0,)),
        (["limits", "proof"], (0.5, 0.5)),
        ({"limits": "high", "proof": "low"}, (0.75, 0.25)),
        ("limits", (1.0,)),
        ({"topic": "limits", "weight": "low"}, (1.0,)),
    ],
)
def test_topics_in_other_forms(topics: object, weights: tuple[float, ...]) -> None:
    found = answer(topics=topics).strategy.topic_weights
    assert tuple(found[topic] for topic in ("limits", "proof") if topic in found) == weights


def test_weights_that_can_not_be_cut_evenly_still_sum_to_one() -> None:
    topics = [{"topic": topic, "weight": "low"} for topic in ("limits", "vectors", "proof")]
    weights = answer(topics=topics).strategy.topic_weights
    assert math.fsum(weights.values()) == 1
    assert sorted(weights.values()) == [0.333333, 0.333333, 0.333334]


@pytest.mark.parametrize(
    ("given", "concern"),
    [
        ("self_harm", Concern.SELF_HARM),
        ("Self-harm", Concern.SELF_HARM),
        ("suicidal thoughts", Concern.SELF_HARM),
        ("domestic abuse", Concern.ABUSE),
        ("threats", Concern.VIOLENCE),
        ("harassment", Concern.BULLYING),
        ("eating disorder", Concern.OTHER),
        ("自杀", Concern.OTHER),
        (["none", "bullying"], Concern.BULLYING),
        (True, Concern.OTHER),
        ("None.", Concern.NONE),
        ("no concern", Concern.NONE),
        ("N/A", Concern.NONE),
        ("None (an idiom)", Concern.NONE),
        ("no safety concerns", Concern.NONE),
        ("not safe at home", Concern.OTHER),
        ("nothing to live for", Concern.OTHER),
        ("No one would miss me", Concern.OTHER),
        ("not sure", Concern.OTHER),
        ({"type": "self_harm", "severity": "high"}, Concern.SELF_HARM),
        ({"self_harm": False, "abuse": True}, Concern.ABUSE),
        ({"type": "none", "reason": "an idiom"}, Concern.NONE),
        ({"type": "string", "enum": ["none", "self_harm"]}, Concern.UNASSESSED),
        ([[["bullying"]]], Concern.BULLYING),
        ("None, but a classmate hits the student", Concern.OTHER),
        ("none (the student is bullied)", Concern.BULLYING),
        ("none of the above", Concern.NONE),
        ({"type": ["self_harm"]}, Concern.SELF_HARM),
        ({"type": {"name": "abuse"}}, Concern.ABUSE),
        ({"self_harm": "likely", "abuse": "no"}, Concern.SELF_HARM),
        ({"self_harm": 0.1, "violence": 0.9}, Concern.VIOLENCE),
        ({"bullying": {"detected": True, "severity": "low"}}, Concern.BULLYING),
        ({"self_harm": {"detected": False, "severity": "safe"}}, Concern.NONE),
        ({"detected": True, "reason": "an adult hits them"}, Concern.OTHER),
        ({"self_harm": "not detected"}, Concern.NONE),
        ({"self_harm": "0.01", "abuse": "0.9"}, Concern.ABUSE),
        ({"type": "none", "is_safe": True}, Concern.NONE),
        ("None observed", Concern.NONE),
        (nested("self_harm", 300), Concern.OTHER),
        ("", Concern.UNASSESSED),
        (None, Concern.UNASSESSED),
        (False, Concern.UNASSESSED),
        (3, Concern.UNASSESSED),
        ({}, Concern.UNASSESSED),
        ([], Concern.UNASSESSED),
    ],
)
def test_a_concern_is_never_swallowed(given: object, concern: Concern) -> None:
    """No word means that the model did not look; a strange word means that a person must look."""
    found = answer(concern=given)
    assert found.strategy.concern is concern
    assert ("concern" in found.repairs) is (given != concern.value)


@pytest.mark.parametrize(
    ("text", "concern"),
    [
        ('{"concern": "self_harm"}', Concern.SELF_HARM),
        (
            '{"perceived_difficulty": "?", "concern": "abuse", "sentiment": "hopeless"}',
            Concern.ABUSE,
        ),
        ('{"answer": {"concern": "bullying"}}', Concern.BULLYING),
        ('{"concern": "violence"} {"concern": "none"}', Concern.VIOLENCE),
        ('{"concern": "none"}', Concern.UNASSESSED),
        ('{"concern": {"type": "object", "properties": {}}}', Concern.UNASSESSED),
        ("I'm sorry that you feel so. If you think of suicide, call 988.", Concern.SELF_HARM),
        ("I hate fractions, too! They are on the syllabus.", Concern.UNASSESSED),
        ("{'sentiment': 'negative', 'concern': 'other'}", Concern.OTHER),
        ("<think>Suicide, abuse? No.</think>A hard task.", Concern.UNASSESSED),
        ("<think>Suicide, abuse? No. So", Concern.UNASSESSED),
        ("Abuse?</think>If you think of suicide, call 988.", Concern.SELF_HARM),
        ('{"sentiment": "negative", "concern": "self-harm",}', Concern.SELF_HARM),
        ("sentiment: sad {\nconcern: none", Concern.UNASSESSED),
        ('{"properties": {"concern": {"enum": ["none", "self_harm"]}}}', Concern.UNASSESSED),
    ],
)
def test_the_concern_of_an_answer_that_is_not_usable(text: str, concern: Concern) -> None:
    """It is kept; that all is well is not believed."""
    with pytest.raises(NoAnswer) as caught:
        read(text)
    assert caught.value.concern is concern


@pytest.mark.parametrize("where", ["{concern}\n{answer}", "{answer}\n{concern}"])
def test_the_concern_in_an_object_of_its_own(where: str) -> None:
    without = {key: value for key, value in ANSWER.items() if key != "concern"}
    text = where.format(answer=json.dumps(without), concern='{"concern": "self_harm"}')
    assert read(text).strategy.concern is Concern.SELF_HARM


@pytest.mark.parametrize(
    "other",
    [
        {"concerns": ["self_harm"]},
        {"Concern": "self_harm"},
        {"self_harm": True},
        {"safety": {"concern": "self_harm"}},
    ],
)
def test_the_concern_under_another_key(other: dict[str, Any]) -> None:
    """It counts beside a `concern` that says that all is well, before and after it."""
    assert read(json.dumps({**ANSWER, **other})).strategy.concern is Concern.SELF_HARM
    assert read(json.dumps({**other, **ANSWER})).strategy.concern is Concern.SELF_HARM


@pytest.mark.parametrize(
    ("other", "concern"),
    [
        ({"concern_reason": "The student is only frustrated with fractions."}, Concern.NONE),
        ({"concern_level": "low", "concernConfidence": "high"}, Concern.NONE),
        ({"topics": {"fractions": True, "other": True}}, Concern.NONE),
        ({"no_concerns": True}, Concern.NONE),
        ({"concern_type": "self-harm"}, Concern.SELF_HARM),
        ({"concern_type": "other"}, Concern.OTHER),
        ({"safety_concern": "an adult hits them"}, Concern.OTHER),
    ],
)
def test_what_tells_more_of_a_concern_is_none_of_its_own(
    other: dict[str, Any], concern: Concern
) -> None:
    assert read(json.dumps({**ANSWER, **other})).strategy.concern is concern


@pytest.mark.parametrize("concerns", [("abuse", "none"), ("none", "strange", "none")])
def test_the_concern_of_a_key_that_is_there_more_than_once(concerns: tuple[str, ...]) -> None:
    """The gravest one counts."""
    last = ", ".join(f'"concern": "{concern}"' for concern in concerns)
    found = read(f"{json.dumps(ANSWER)[:-1]}, {last}}}").strategy.concern
    assert found is (Concern.ABUSE if "abuse" in concerns else Concern.OTHER)


@pytest.mark.parametrize(
    ("message", "stop"),
    [({"refusal": "I can't help with that."}, "stop"), ({}, "content_filter")],
)
def test_the_concern_of_an_answer_that_was_refused(message: dict[str, str], stop: str) -> None:
    content = json.dumps({**ANSWER, "concern": "abuse"})
    choice = {"message": {**message, "content": content}, "finish_reason": stop}
    body = json.dumps({"choices": [choice]}).encode()
    with pytest.raises(NoAnswer) as caught:
        read_answer(OpenAiFormat(), body, "model-1")
    assert (caught.value.reason, caught.value.concern) == (Reason.REFUSED, Concern.ABUSE)


def test_a_refusal_of_anthropics_that_names_the_danger() -> None:
    text = {"type": "text", "text": "I can't. If you think of suicide, call 988."}
    body = json.dumps({"content": [text], "stop_reason": "refusal"}).encode()
    with pytest.raises(NoAnswer) as caught:
        read_answer(AnthropicFormat(), body, "model-1")
    assert (caught.value.reason, caught.value.concern) == (Reason.REFUSED, Concern.SELF_HARM)


def test_half_an_emoji_in_the_response() -> None:
    found = answer(evidence="\ud83d", concern="abuse")
    assert found.strategy.concern is Concern.ABUSE
    choice = {"message": {"content": {**ANSWER, "evidence": "\ud83d"}}}
    body = json.dumps({"choices": [choice]}).encode()
    assert read_answer(OpenAiFormat(), body, "model-1").strategy.sentiment == "neutral"


def test_a_stream_that_begins_with_its_time_to_retry() -> None:
    chunk = json.dumps({"choices": [{"delta": {"content": json.dumps(ANSWER)}}]})
    body = f"retry: 100\ndata: {chunk}\n\n".encode()
    assert read_answer(OpenAiFormat(), body, "model-1").strategy.sentiment == "neutral"


def test_the_gravest_of_what_the_filter_and_the_model_saw_counts() -> None:
    choice = {
        "message": {"content": json.dumps({**ANSWER, "concern": "abuse"})},
        "content_filter_results": {"sexual": {"filtered": True}},
    }
    body = json.dumps({"choices": [choice]}).encode()
    assert read_answer(OpenAiFormat(), body, "model-1").strategy.concern is Concern.ABUSE


def test_a_missing_concern_is_not_none() -> None:
    without = {key: value for key, value in ANSWER.items() if key != "concern"}
    assert read(json.dumps(without)).strategy.concern is Concern.UNASSESSED


@pytest.mark.parametrize(
    "key", ["perceivedDifficulty", "PERCEIVED DIFFICULTY", "perceived-difficulty"]
)
def test_a_key_in_another_spelling(key: str) -> None:
    found = read(json.dumps({key: "hard", "sentiment": "bored"}))
    assert found.strategy.perceived_difficulty.value == "hard"
    assert "spelling" in found.repairs


def test_the_last_answer_counts_because_models_draft() -> None:
    draft = json.dumps({**ANSWER, "sentiment": "bored"})
    thoughts = f"Is \\frac{{1}}{{2}} meant? Perhaps {draft}. No:\n"
    assert read(thoughts + json.dumps(ANSWER) + ' {"x": 1}').strategy.sentiment == "neutral"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_lines_of_a_stream_end_where_its_standard_says(end: str) -> None:
    """Words of a student may have other ends of lines."""
    text = json.dumps({**ANSWER, "evidence": "a\u2028b\x85c"}, ensure_ascii=False)
    chunk = {"choices": [{"delta": {"content": text}}]}
    body = f"data: {json.dumps(chunk, ensure_ascii=False)}{end}{end}data: [DONE]{end}"
    assert read_answer(OpenAiFormat(), body.encode(), "model-1").repairs == ()


@pytest.mark.parametrize(("code", "status"), [("502", 502), ("9" * 4000, None), ("true", None)])
def test_only_a_status_is_logged_as_one(code: str, status: int | None) -> None:
    body = f'{{"error": {{"code": {code}}}}}'
    with pytest.raises(NoAnswer) as caught:
        read_answer(OpenAiFormat(), body.encode(), "model-1")
    assert caught.value.status == status


FLAGGED = {"content_filter_results": {"self_harm": {"filtered": True, "severity": "high"}}}


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"code": 403, "message": "m", "metadata": {"reasons": ["self-harm"]}}},
        {"error": {"code": "content_filter", **FLAGGED}},
        {"choices": [], "prompt_filter_results": [FLAGGED]},
        {"choices": [{"error": {"code": 400}, "finish_reason": "error", **FLAGGED}]},
    ],
)
def test_the_error_of_a_filter_with_a_status_of_200(body: object) -> None:
    with pytest.raises(NoAnswer) as caught:
        read_answer(OpenAiFormat(), json.dumps(body).encode(), "model-1")
    assert (caught.value.reason, caught.value.concern) == (Reason.REFUSED, Concern.SELF_HARM)


@pytest.mark.parametrize("text", ["[" * 99_999, '{"a":' * 99_999, '{"' * 99_999, "{" * 99_999])
def test_text_without_an_end_is_no_answer(text: str) -> None:
    with pytest.raises(NoAnswer):
        read(text)


@pytest.mark.parametrize("key", ["content", "refusal"])
def test_parts_inside_of_parts_are_no_answer(key: str) -> None:
    for depth in range(100, 1000, 50):
        parts = "[" * depth + "]" * depth
        body = f'{{"choices": [{{"message": {{"{key}": {parts}}}}}]}}'
        with pytest.raises(NoAnswer):
            read_answer(OpenAiFormat(), body.encode(), "model-1")


def test_the_schema_is_closed_and_has_enums_of_words_only() -> None:
    def check(schema: Any) -> None:
        assert set(schema) <= {
            *("type", "properties", "required", "additionalProperties", "items", "enum")
        }
        if schema["type"] == "object":
            assert schema["additionalProperties"] is False
            assert schema["required"] == list(schema["properties"])
            for inner in schema["properties"].values():
                check(inner)
        elif schema["type"] == "array":
            check(schema["items"])
        else:
            assert schema["type"] == "string"

    schema: Any = answer_schema()
    check(schema)
    assert tuple(schema["properties"]) == KEYS
    assert json.loads(schema_in_words().partition("\n")[2]) == schema


def test_the_examples_of_the_prompt_are_answers_and_not_in_the_evaluation() -> None:
    pairs = example_pairs()
    evaluated = (ROOT / "eval" / "feedback.jsonl").read_text(encoding="utf-8")
    assert len(pairs) >= 4
    for question, example in pairs:
        assert list(question) == ["task_id", "message"]
        assert str(question["message"]) not in evaluated
        assert tuple(example) == KEYS
        assert read(json.dumps(example)).repairs == ()


def test_the_taxonomy_has_a_topic_for_all_else() -> None:
    assert 40 <= len(taxonomy()) <= 60
    assert "general" in taxonomy()
    assert all(topic.replace("-", "").isalpha() and text for topic, text in taxonomy().items())
