"""What counts as right, and how sure a count can be."""

from collections.abc import Mapping

import pytest

from eval.examples import Example
from eval.run import Answer, Reading
from eval.scores import Judged, accepted_weight, judge, judge_all, mcnemar, wilson
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
)


def reading(topics: Mapping[str, float], difficulty: str = "ok") -> Reading:
    return Reading(difficulty, "confused", topics)


@pytest.mark.parametrize(("difficulty", "right"), [("ok", True), ("hard", True), ("easy", False)])
def test_any_of_the_accepted_labels_is_right(difficulty: str, right: bool) -> None:
    found = judge(EXAMPLE, reading({"fractions": 1.0}, difficulty))
    assert found == {"difficulty": right, "sentiment": True, "topics": True}


@pytest.mark.parametrize(
    ("topics", "right"),
    [
        ({"decimals": 0.6, "algebra": 0.4}, True),
        ({"decimals": 0.4, "algebra": 0.6}, False),
        ({"fractions": 0.5, "decimals": 0.5}, True),
        ({"decimals": 0.5, "algebra": 0.5}, False),
    ],
)
def test_the_topic_of_the_largest_weight_decides_and_of_several_all(
    topics: Mapping[str, float], right: bool
) -> None:
    assert judge(EXAMPLE, reading(topics))["topics"] == right


def test_a_fallback_is_wrong_in_all_even_where_the_neutral_strategy_would_be_right() -> None:
    [judged] = judge_all([EXAMPLE], [Answer("en-01", 0.1, 1, None, "timeout")])
    assert not any(judged.right.values())
    assert not judged.all_right
    assert accepted_weight(judged) == 0


def test_the_weight_on_accepted_topics_is_a_share() -> None:
    answer = Answer("en-01", 0.1, 1, reading({"fractions": 0.5, "decimals": 0.3, "algebra": 0.2}))
    assert accepted_weight(Judged(EXAMPLE, answer, {})) == pytest.approx(0.8)


def test_the_interval_is_wilsons() -> None:
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson(60, 60) == pytest.approx((0.9398, 1.0), abs=1e-4)
    assert wilson(0, 60)[0] == pytest.approx(0)


@pytest.mark.parametrize(
    ("gained", "lost", "p"),
    [(0, 0, 1.0), (3, 3, 1.0), (5, 0, 0.0625), (6, 0, 0.03125), (0, 6, 0.03125), (10, 2, 0.03857)],
)
def test_the_test_of_a_change_is_mcnemars_exact_one(gained: int, lost: int, p: float) -> None:
    assert mcnemar(gained, lost) == pytest.approx(p, abs=1e-5)


def test_percentiles_are_values_that_were_measured() -> None:
    assert percentile([*range(1, 61)], 50) == 30
    assert percentile([*range(1, 61)], 95) == 57
    assert percentile([7.0], 95) == 7.0


def test_cost_is_tokens_times_prices_and_else_unknown() -> None:
    counted = Answer("a", 1.0, 1, None, tokens_in=500_000, tokens_out=100_000)
    uncounted = Answer("b", 3.0, 2, None, "timeout")
    found = spending([counted, uncounted], Prices(2.0, 10.0))
    assert (found.p50, found.p95) == (1.0, 3.0)
    assert (found.tokens_in, found.tokens_out) == (500_000, 100_000)
    assert found.cost == pytest.approx(2.0)
    assert spending([counted], None).cost is None
    assert spending([uncounted], Prices(2.0, 10.0)).cost is None
