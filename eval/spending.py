"""What the answers took: time, tokens and money."""

from collections.abc import Sequence
from dataclasses import dataclass

from eval.run import Answer


@dataclass(frozen=True, slots=True)
class Prices:
    """What a million tokens cost, in any one currency."""

    tokens_in: float
    tokens_out: float


@dataclass(frozen=True, slots=True)
class Spending:
    """Seconds an answer, tokens of all answers; None is unknown."""

    p50: float
    p95: float
    tokens_in: int | None
    tokens_out: int | None
    cost: float | None


def spending(answers: Sequence[Answer], prices: Prices | None) -> Spending:
    """Add up, over all answers with or without a reading; a fallback took its time, too."""
    seconds = sorted(answer.seconds for answer in answers)
    tokens_in = _total([answer.tokens_in for answer in answers])
    tokens_out = _total([answer.tokens_out for answer in answers])
    cost = None
    if prices and tokens_in is not None and tokens_out is not None:
        cost = (tokens_in * prices.tokens_in + tokens_out * prices.tokens_out) / 1e6
    return Spending(percentile(seconds, 50), percentile(seconds, 95), tokens_in, tokens_out, cost)


def percentile(ordered: Sequence[float], percent: int) -> float:
    """The smallest of the ordered values that so many percent do not exceed."""
    return ordered[-(-len(ordered) * percent // 100) - 1]


def _total(counts: Sequence[int | None]) -> int | None:
    """What was counted at all: a fallback mostly comes without a count."""
    known = [count for count in counts if count is not None]
    return sum(known) if known else None
