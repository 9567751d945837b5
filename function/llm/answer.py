"""From the model's text to a strategy: a closed model, and nothing else is accepted."""

import math
import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from function.domain import Difficulty, ModelSnapshot, Strategy
from function.llm.outcome import NoAnswer, Reason
from function.llm.prompt import PROMPT_VERSION, Sentiment, taxonomy

TOPICS_LIMIT = 100  # entries; a topic may come twice
DIGITS = 6  # of a weight, behind the point
FENCE = re.compile(r"```(?:json)?\s(.*?)```", re.DOTALL | re.IGNORECASE)


def _require_known(topic: str) -> str:
    if topic not in taxonomy():
        raise ValueError("not a topic")
    return topic


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class _Topic(_Closed):
    topic: Annotated[str, AfterValidator(_require_known)]
    weight: Annotated[float, Field(gt=0)]


class _Answer(_Closed):
    perceived_difficulty: Difficulty
    difficulty_adjustment: Annotated[float, Field(ge=-1, le=1)]
    sentiment: Sentiment
    topics: Annotated[list[_Topic], Field(min_length=1, max_length=TOPICS_LIMIT)]


def parse_answer(text: str, model: str) -> Strategy:
    """Make a strategy of what the model wrote; raises NoAnswer.

    One fence of Markdown around it is removed, because small models often add one.
    """
    fenced = FENCE.fullmatch(text.strip())
    try:
        answer = _Answer.model_validate_json(fenced[1] if fenced else text)
        weights = _normalise(answer.topics)
    except ValueError:  # pydantic's ValidationError is one
        raise NoAnswer(Reason.INVALID_ANSWER) from None
    return _strategy(answer, weights, model)


def _strategy(answer: _Answer, weights: dict[str, float], model: str) -> Strategy:
    adjustment = round(answer.difficulty_adjustment, 4) + 0.0  # PostgreSQL's JSON has no -0.0
    snapshot = ModelSnapshot(
        difficulty_weight=round(1 + adjustment, 4),
        feedback_based=True,
        sentiment=answer.sentiment,
        topics=sorted(weights, key=lambda topic: (-weights[topic], topic)),
        model=model,
        prompt_version=PROMPT_VERSION,
    )
    return Strategy(
        perceived_difficulty=answer.perceived_difficulty,
        difficulty_adjustment=adjustment,
        topic_weights=weights,
        sentiment=answer.sentiment,
        snapshot=snapshot,
    )


def _normalise(topics: list[_Topic]) -> dict[str, float]:
    """Merge repeated topics and make the sum 1.

    The order is that in which PostgreSQL keeps the keys of a jsonb, so that a replay is the same.
    """
    largest = max(topic.weight for topic in topics)
    merged: dict[str, float] = {}
    for topic in topics:
        merged[topic.topic] = merged.get(topic.topic, 0.0) + topic.weight / largest
    total = math.fsum(merged.values())
    rounded = {topic: round(weight / total, DIGITS) for topic, weight in merged.items()}
    heaviest = max(rounded, key=lambda topic: rounded[topic])
    rest = 1 - math.fsum(rounded.values())
    rounded[heaviest] = round(rounded[heaviest] + rest, DIGITS)
    kept = sorted(rounded, key=lambda topic: (len(topic), topic))
    return {topic: rounded[topic] for topic in kept if rounded[topic] > 0}
