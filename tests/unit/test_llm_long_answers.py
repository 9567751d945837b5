"""An answer of the largest size keeps the event loop busy for a short time only."""

import json
import sys
from types import FrameType

import pytest

from function.domain import Concern
from function.llm.answer import read_answer
from function.llm.client import BODY_LIMIT
from function.llm.openai import OpenAiFormat
from function.llm.outcome import NoAnswer

ANSWER = {"perceived_difficulty": "hard", "sentiment": "anxious", "concern": "abuse"}
CALLS = 4  # for each byte of the body


def body(content: str) -> bytes:
    return json.dumps({"choices": [{"message": {"content": content}}]}).encode()


def calls(content: str) -> int:
    """How many calls of functions it takes to read the answer."""
    made = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal made
        made += event in {"call", "c_call"}

    sys.setprofile(count)
    try:
        read_answer(OpenAiFormat(), body(content), "model-1")
    except NoAnswer:
        pass
    finally:
        sys.setprofile(None)
    return made


@pytest.mark.parametrize("start", ["", '{"concern": ['])
@pytest.mark.parametrize(
    "part",
    [
        *('"a", ', '"a": 1, ', '{"a": 1}, ', '"a": {}, ', '"concern": "none", ', '"concern": {'),
        *('{"', '{"a": ', '{"concern": "x"}', "concern: a ", "suicide ", "<think>", "</think>"),
    ],
)
def test_the_largest_answer_takes_few_calls(start: str, part: str) -> None:
    room = BODY_LIMIT - len(body(start))
    content = start + part * (room // (len(json.dumps(part)) - 2))
    assert calls(content) < CALLS * BODY_LIMIT


@pytest.mark.parametrize("depth", range(1, 9))
def test_an_object_in_others_takes_few_calls(depth: int) -> None:
    entries = ", ".join(f'"k{number}": 1' for number in range(14_000))
    content = '{"concern": ' * depth + f"{{{entries}}}" + "}" * depth
    assert len(body(content)) < BODY_LIMIT
    assert calls(content) < CALLS * BODY_LIMIT


def test_the_concern_of_an_answer_that_repeats_a_topic() -> None:
    text = json.dumps({**ANSWER, "topics": ["fractions"] * 10_000})
    for content in (text, text[:-9]):
        assert read_answer(OpenAiFormat(), body(content), "m").strategy.concern is Concern.ABUSE


def test_the_concern_of_an_answer_behind_long_thoughts() -> None:
    content = "<think>" + '{"draft": ' * 10_000 + "</think>" + json.dumps(ANSWER)
    assert read_answer(OpenAiFormat(), body(content), "m").strategy.concern is Concern.ABUSE
