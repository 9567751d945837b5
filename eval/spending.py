"""Time, tokens and cost of the answers."""

from collections.abc import Sequence
from dataclasses import dataclass

from eval.run import Answer


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices of a million tokens, in any currency."""

    tokens_in: float
    tokens_out: float


@dataclass(frozen=True, slots=True)
class Spending:
    """Seconds per answer, tokens of all answers. None is unknown."""

    p50: float
    p95: float
    tokens_in: int | None
    tokens_out: int | None
    cost: float | None


def spending(answers: Sequence[Answer], prices: Prices | None) -> Spending:
    """Add up all answers, including fallbacks."""
    seconds = sorted(answer.seconds for answer in answers)
    tokens_in = _total([answer.tokens_in for answer in answers])
    tokens_out = _total([answer.tokens_out for answer in answers])
    cost = None
    if prices and tokens_in is not None and tokens_out is not None:
        cost = (tokens_in * prices.tokens_in + tokens_out * prices.tokens_out) / 1e6
    return Spending(percentile(seconds, 50), percentile(seconds, 95), tokens_in, tokens_out, cost)


def percentile(ordered: Sequence[float], percent: int) -> float:
    """The smallest of the ordered values that `percent` percent do not exceed."""
    return ordered[-(-len(ordered) * percent // 100) - 1]


def _total(counts: Sequence[int | None]) -> int | None:
    """The sum of the known counts: most fallbacks have none."""
    known = [count for count in counts if count is not None]
    return sum(known) if known else None
