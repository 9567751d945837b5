"""Which answers are right, and how certain the counts are."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from eval.examples import Example
from eval.run import Answer, Reading

METRICS = ("difficulty", "sentiment", "topics", "adjustment", "concern")
Z = 1.96  # of a 95 % interval


@dataclass(frozen=True, slots=True)
class Judged:
    """An example with its answer. `right` says for each metric whether it is right."""

    example: Example
    answer: Answer
    right: Mapping[str, bool]

    @property
    def all_right(self) -> bool:
        """Whether all metrics are right."""
        return all(self.right.values())


def judge_all(examples: Sequence[Example], answers: Sequence[Answer]) -> Sequence[Judged]:
    """Judge each example with its answer. A concern counts without a reading, too."""
    by_id = {answer.id: answer for answer in answers}
    return [
        Judged(
            example,
            answer,
            {**judge(example, answer.reading), "concern": answer.concern in example.concern},
        )
        for example in examples
        for answer in [by_id[example.id]]
    ]


def judge(example: Example, reading: Reading | None) -> Mapping[str, bool]:
    """Compare a reading with the labels: any accepted label is right.

    Topics are right if every topic with the largest weight is accepted.
    """
    if reading is None:
        return dict.fromkeys(METRICS, False)
    return {
        "difficulty": reading.difficulty in example.difficulty,
        "sentiment": reading.sentiment in example.sentiment,
        "topics": reading.top_topics() <= set(example.topics),
        "adjustment": reading.adjustment in example.adjustment,
        "concern": reading.concern in example.concern,
    }


def accepted_weight(judged: Judged) -> float:
    """The share of the weight that is on accepted topics; 0 after a fallback."""
    if judged.answer.reading is None:
        return 0.0
    topics = judged.answer.reading.topics
    return sum(weight for topic, weight in topics.items() if topic in judged.example.topics)


def wilson(right: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a share.

    https://en.wikipedia.org/wiki/Binomial_proportion_confidence_interval#Wilson_score_interval
    """
    share, spread = right / count, Z * Z / count
    middle = share + spread / 2
    width = math.sqrt(spread * (share * (1 - share) + spread / 4))
    return (middle - width) / (1 + spread), (middle + width) / (1 + spread)


def mcnemar(gained: int, lost: int) -> float:
    """The probability of such an uneven change by chance: McNemar's exact test, two-sided.

    https://en.wikipedia.org/wiki/McNemar%27s_test#Variations
    """
    changed = gained + lost
    as_uneven = sum(math.comb(changed, k) for k in range(min(gained, lost) + 1))
    return min(1.0, 2 * as_uneven / 2.0**changed)
