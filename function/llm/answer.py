"""From the model's texts to a strategy.

Of what the model says only known values are kept, so no text of it goes anywhere. What can be
repaired is repaired, because the student gets a neutral strategy otherwise.
"""

import math
from collections.abc import Iterator
from itertools import chain

from function.domain import Concern, Difficulty, ModelSnapshot, Strategy
from function.llm.concerns import concern_in_words, gravest
from function.llm.json_text import find_objects
from function.llm.outcome import Answer, NoAnswer, Reason, Usage
from function.llm.prompt import PROMPT_VERSION
from function.llm.repair import Values
from function.llm.wire import WireFormat

DIGITS = 6  # of a weight, behind the point
LEAST_FACTOR = 0.2  # half of the step before; 0 would leave no task at all


def read_answer(wire_format: WireFormat, body: bytes, model: str) -> Answer:
    """Make a strategy of a response; raises NoAnswer.

    A text that was cut off may still hold enough. Of one that was refused only the concern counts.
    """
    try:
        completion = wire_format.read(body)
    except RecursionError:
        raise NoAnswer(Reason.NOT_THE_API) from None
    may_answer = completion.problem in {None, Reason.TRUNCATED}
    concern, answer = completion.concern, None
    for values in chain.from_iterable(map(_answers, completion.texts)):
        concern = gravest([concern, values.concern])
        answer = answer or (values if may_answer and values.usable else None)
        if answer and concern is not Concern.UNASSESSED:
            break
    if answer:
        strategy = _strategy(answer, concern, model, completion.usage)
        return Answer(strategy, completion.usage, 1, tuple(sorted(answer.repairs)))
    failure = NoAnswer(completion.problem or Reason.INVALID_ANSWER)
    failure.usage = completion.usage
    if not concern.is_danger and completion.problem in {None, Reason.REFUSED}:
        concern = concern_in_words(completion.texts[0])
    if concern is not Concern.NONE:  # what can't be used does not tell that all is well
        failure.concern = concern
    raise failure


def _answers(text: str) -> Iterator[Values]:
    """What may be an answer; some models put it into another object, below the schema's name."""
    for found, repair in find_objects(text):
        yield Values(found, repair)
        for inner in found.values():
            if isinstance(inner, dict):
                yield Values(inner, "extra key")


def _strategy(values: Values, concern: Concern, model: str, usage: Usage) -> Strategy:
    difficulty, sentiment = values.difficulty or "ok", values.sentiment or "neutral"
    adjustment = values.adjustment(difficulty)
    weights = _normalise(values.topics)
    snapshot = ModelSnapshot(
        difficulty_weight=max(LEAST_FACTOR, round(1 + adjustment, 4)),
        feedback_based=True,
        sentiment=sentiment,
        topics=sorted(weights, key=lambda topic: (-weights[topic], topic)),
        model=model,
        prompt_version=PROMPT_VERSION,
        kind=values.kind,
        understanding=values.understanding,
        input_tokens=usage.input_tokens or None,
        output_tokens=usage.output_tokens or None,
    )
    return Strategy(
        perceived_difficulty=Difficulty(difficulty),
        difficulty_adjustment=adjustment,
        topic_weights=weights,
        sentiment=sentiment,
        snapshot=snapshot,
        concern=concern,
    )


def _normalise(weights: dict[str, float]) -> dict[str, float]:
    """Make the sum 1.

    The order is that in which PostgreSQL keeps the keys of a jsonb, so that a replay is the same.
    """
    total = math.fsum(weights.values())
    rounded = {topic: round(weight / total, DIGITS) for topic, weight in weights.items()}
    heaviest = max(rounded, key=lambda topic: rounded[topic])
    rest = 1 - math.fsum(rounded.values())
    rounded[heaviest] = round(rounded[heaviest] + rest, DIGITS)
    kept = sorted(rounded, key=lambda topic: (len(topic), topic))
    return {topic: rounded[topic] for topic in kept if rounded[topic] > 0}
