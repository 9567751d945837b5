"""How sure a share is, and a change of it.

Newcombe (1998), Interval estimation for the difference between independent proportions, methods 3
and 10: https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I
"""

from __future__ import annotations

import math
from dataclasses import dataclass

Z = 1.959964  # of a normal distribution: 95 % are nearer to its mean


@dataclass(frozen=True)
class Estimate:
    """A value from 0 to 1, or a difference from -1 to 1, with its 95 % confidence interval."""

    value: float
    low: float
    high: float


def share(part: int, whole: int) -> Estimate:
    """The share of `part` in `whole`, with Wilson's interval; `whole` is at least 1."""
    value = part / whole
    middle = (value + Z * Z / (2 * whole)) / (1 + Z * Z / whole)
    half = Z / (1 + Z * Z / whole)
    half *= math.sqrt(value * (1 - value) / whole + Z * Z / (4 * whole * whole))
    # Rounding could put 0 or 1 outside of its own range.
    return Estimate(value, min(value, max(0.0, middle - half)), max(value, min(1.0, middle + half)))


def difference(now: Estimate, before: Estimate) -> Estimate:
    """How much a share has grown, with Newcombe's interval for independent samples."""
    change = now.value - before.value
    low = math.hypot(now.value - now.low, before.high - before.value)
    high = math.hypot(now.high - now.value, before.value - before.low)
    return Estimate(change, change - low, change + high)
