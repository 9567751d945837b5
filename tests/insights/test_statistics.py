"""Shares and changes, against the examples of Newcombe's papers."""

import pytest

from insights.statistics import Estimate, difference, share

pytestmark = pytest.mark.insights


# https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E, table I
@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_the_range_of_a_share(part: int, whole: int, low: float, high: float) -> None:
    found = share(part, whole)
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.00006)


@pytest.mark.parametrize("whole", range(1, 50))
def test_a_share_is_in_its_range(whole: int) -> None:
    for part in range(whole + 1):
        found = share(part, whole)
        assert 0 <= found.low <= found.value <= found.high <= 1


# The paper in insights/statistics.py, table II, method 10
@pytest.mark.parametrize(
    ("now", "before", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((10, 10), (0, 20), 0.6791, 1),
        ((0, 10), (0, 20), -0.1611, 0.2775),
    ],
)
def test_the_range_of_a_change(
    now: tuple[int, int], before: tuple[int, int], low: float, high: float
) -> None:
    found = difference(share(*now), share(*before))
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.00006)
    assert found.value == now[0] / now[1] - before[0] / before[1]


def test_a_range_never_leaves_what_is_possible() -> None:
    assert share(0, 1).low == 0
    assert share(1, 1).high == 1
    assert share(3, 3) == Estimate(1.0, share(3, 3).low, 1.0)
