"""How answers are scored, and how certain the scores are."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from eval.examples import Example
from eval.run import Answer, Reading
from eval.scores import METRICS, Judged, accepted_weight, judge, judge_all, mcnemar, wilson
from eval.spending import Prices, percentile, spending

EXAMPLE = Example(
    id="en-01",
    language="en",
    kind="ambiguous",
    task_id="task-1",
    message="not sure",
    difficulty=("ok", "hard"),
    sentiment=("confused",),
    topics=("fractions", "decimals"),
    adjustment=("same", "easier"),
    concern=("none",),
    reason="The student is not sure.",
    second_opinion={},
)


def reading(topics: Mapping[str, float], difficulty: str = "ok") -> Reading:
    return Reading(difficulty, "confused", topics, "same", "none")


@pytest.mark.parametrize(("difficulty", "right"), [("ok", True), ("hard", True), ("easy", False)])
def test_accepted_labels(difficulty: str, right: bool) -> None:
    """Each of the accepted labels is right."""
    found = judge(EXAMPLE, reading({"fractions": 1.0}, difficulty))
    assert found == {**dict.fromkeys(METRICS, True), "difficulty": right}


@pytest.mark.parametrize(
    ("topics", "right"),
    [
        ({"decimals": 0.6, "algebra": 0.4}, True),
        ({"decimals": 0.4, "algebra": 0.6}, False),
        ({"fractions": 0.5, "decimals": 0.5}, True),
        ({"decimals": 0.5, "algebra": 0.5}, False),
    ],
)
def test_topics(topics: Mapping[str, float], right: bool) -> None:
    """The topics with the largest weight must all be accepted."""
    assert judge(EXAMPLE, reading(topics))["topics"] == right


def test_fallback() -> None:
    """A fallback is wrong in every label, even if the neutral strategy is right."""
    [judged] = judge_all([EXAMPLE], [Answer("en-01", 0.1, 1, None, "timeout")])
    assert not any(judged.right.values())
    assert not judged.all_right
    assert accepted_weight(judged) == 0


@pytest.mark.parametrize(("noticed", "right"), [("abuse", True), ("unassessed", False)])
def test_concern_of_a_fallback(noticed: str, right: bool) -> None:
    """A concern that was noticed without a usable answer counts."""
    example = replace(EXAMPLE, concern=("abuse",))
    [judged] = judge_all([example], [Answer("en-01", 0.1, 1, None, "refused", noticed=noticed)])
    assert judged.right == {**dict.fromkeys(METRICS, False), "concern": right}


def test_accepted_weight() -> None:
    """The weight on accepted topics is a share of 1."""
    answer = Answer("en-01", 0.1, 1, reading({"fractions": 0.5, "decimals": 0.3, "algebra": 0.2}))
    assert accepted_weight(Judged(EXAMPLE, answer, {})) == pytest.approx(0.8)


def test_wilson() -> None:
    """The confidence interval is Wilson's."""
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson(60, 60) == pytest.approx((0.9398, 1.0), abs=1e-4)
    assert wilson(0, 60)[0] == pytest.approx(0)


@pytest.mark.parametrize(
    ("gained", "lost", "p"),
    [(0, 0, 1.0), (3, 3, 1.0), (5, 0, 0.0625), (6, 0, 0.03125), (0, 6, 0.03125), (10, 2, 0.03857)],
)
def test_mcnemar(gained: int, lost: int, p: float) -> None:
    """The significance of a change is McNemar's exact test."""
    assert mcnemar(gained, lost) == pytest.approx(p, abs=1e-5)


def test_percentiles() -> None:
    """A percentile is one of the measured values."""
    assert percentile([*range(1, 61)], 50) == 30
    assert percentile([*range(1, 61)], 95) == 57
    assert percentile([7.0], 95) == 7.0


def test_cost() -> None:
    """The cost is tokens times prices, and unknown if one of them is."""
    counted = Answer("a", 1.0, 1, None, tokens_in=500_000, tokens_out=100_000)
    uncounted = Answer("b", 3.0, 2, None, "timeout")
    found = spending([counted, uncounted], Prices(2.0, 10.0))
    assert (found.p50, found.p95) == (1.0, 3.0)
    assert (found.tokens_in, found.tokens_out) == (500_000, 100_000)
    assert found.cost == pytest.approx(2.0)
    assert spending([counted], None).cost is None
    assert spending([uncounted], Prices(2.0, 10.0)).cost is None
