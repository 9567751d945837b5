"""From the model's text to a strategy: a closed model, and nothing else gets through."""

import math
import re
from functools import cache
from typing import TypedDict

from pydantic_core import SchemaValidator
from pydantic_core.core_schema import (
    CoreSchema,
    float_schema,
    list_schema,
    literal_schema,
    typed_dict_field,
    typed_dict_schema,
)

from function.domain import Difficulty, ModelSnapshot, Strategy
from function.llm.outcome import NoAnswer, Reason
from function.llm.prompt import PROMPT_VERSION, SENTIMENTS, taxonomy

TOPICS_LIMIT = 100  # entries; a topic may come twice
DIGITS = 6  # of a weight, behind the point
FENCE = re.compile(r"```(?:json)?\s(.*?)```", re.DOTALL | re.IGNORECASE)


class _Topic(TypedDict):
    topic: str
    weight: float


class _Answer(TypedDict):
    perceived_difficulty: str
    difficulty_adjustment: float
    sentiment: str
    topics: list[_Topic]


def parse_answer(text: str, model: str) -> Strategy:
    """Make a strategy of what the model wrote; raises NoAnswer.

    One fence of Markdown around it is taken off, for small models like to put it there.
    """
    fenced = FENCE.fullmatch(text.strip())
    try:
        answer: _Answer = _validator().validate_json(fenced[1] if fenced else text, strict=True)
        weights = _normalise(answer["topics"])
    except ValueError:  # pydantic's ValidationError is one
        raise NoAnswer(Reason.INVALID_ANSWER) from None
    return _strategy(answer, weights, model)


def _strategy(answer: _Answer, weights: dict[str, float], model: str) -> Strategy:
    adjustment = round(answer["difficulty_adjustment"], 4) + 0.0  # PostgreSQL's JSON has no -0.0
    snapshot = ModelSnapshot(
        difficulty_weight=round(1 + adjustment, 4),
        feedback_based=True,
        sentiment=answer["sentiment"],
        topics=sorted(weights, key=lambda topic: (-weights[topic], topic)),
        model=model,
        prompt_version=PROMPT_VERSION,
    )
    return Strategy(
        perceived_difficulty=Difficulty(answer["perceived_difficulty"]),
        difficulty_adjustment=adjustment,
        topic_weights=weights,
        sentiment=answer["sentiment"],
        snapshot=snapshot,
    )


def _normalise(topics: list[_Topic]) -> dict[str, float]:
    """Merge what came twice and make the sum 1.

    In the order in which PostgreSQL keeps the keys of a jsonb, so that a replay is the same.
    """
    largest = max(topic["weight"] for topic in topics)
    merged: dict[str, float] = {}
    for topic in topics:
        merged[topic["topic"]] = merged.get(topic["topic"], 0.0) + topic["weight"] / largest
    total = math.fsum(merged.values())
    rounded = {topic: round(weight / total, DIGITS) for topic, weight in merged.items()}
    heaviest = max(rounded, key=lambda topic: rounded[topic])
    rest = 1 - math.fsum(rounded.values())
    rounded[heaviest] = round(rounded[heaviest] + rest, DIGITS)
    kept = sorted(rounded, key=lambda topic: (len(topic), topic))
    return {topic: rounded[topic] for topic in kept if rounded[topic] > 0}


def _closed(fields: dict[str, CoreSchema]) -> CoreSchema:
    return typed_dict_schema(
        {name: typed_dict_field(schema) for name, schema in fields.items()},
        extra_behavior="forbid",
    )


@cache
def _validator() -> SchemaValidator:
    weight = float_schema(gt=0, allow_inf_nan=False)
    topic = _closed({"topic": literal_schema(list(taxonomy())), "weight": weight})
    return SchemaValidator(
        _closed(
            {
                "perceived_difficulty": literal_schema([level.value for level in Difficulty]),
                "difficulty_adjustment": float_schema(ge=-1, le=1, allow_inf_nan=False),
                "sentiment": literal_schema(list(SENTIMENTS)),
                "topics": list_schema(topic, min_length=1, max_length=TOPICS_LIMIT),
            }
        )
    )
