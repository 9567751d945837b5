"""The store keeps its promises whatever happens, and a store that does not is found out."""

from collections.abc import Iterable

import pytest

from function.store.driver import DatabaseError
from tests.simulation.__main__ import failure
from tests.simulation.run import Simulation

SEEDS = 300  # `make simulate` runs more
AT_ONCE = 25


def first_failure(seeds: Iterable[int]) -> str:
    return next(filter(None, map(failure, seeds)), "")


@pytest.mark.parametrize("first", range(0, SEEDS, AT_ONCE))
def test_every_promise_is_kept(first: int) -> None:
    assert not first_failure(range(first, first + AT_ONCE))


def test_a_row_that_fails_its_batch_is_found_soon() -> None:
    """One by one, the rows beside it take longer on this slow server than requests may wait."""
    assert not failure(7483)


def test_a_seed_is_the_same_run_each_time() -> None:
    first, second = Simulation(19), Simulation(19)
    first.run()
    second.run()
    assert first.trace == second.trace


def is_refusal(error: BaseException) -> bool:
    return isinstance(error, DatabaseError)


@pytest.mark.parametrize(
    ("name", "value", "violation"),
    [
        ("function.store.group_commit.SWEEP_INTERVAL", -60.0, "the standby lacks it"),
        ("function.store.jobs.is_refusal", is_refusal, "a good row was refused"),
        ("function.store.group_commit.LONGEST_PAUSE", 0.0, "in a second"),
        ("function.store.jobs.SWEEP_INTERVAL", 1.0, "it took"),
    ],
    ids=["cancels a commit too early", "gives up a row", "never pauses", "answers late"],
)
def test_a_store_with_a_mistake_is_found_out(
    monkeypatch: pytest.MonkeyPatch, name: str, value: object, violation: str
) -> None:
    monkeypatch.setattr(name, value)
    assert violation in first_failure(range(SEEDS))
