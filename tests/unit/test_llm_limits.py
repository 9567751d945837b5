"""The tokens of a day, and the context of a model."""

import logging

import pytest

from function.llm.limits import DAY, DailyTokens
from function.llm.outcome import Usage
from function.llm.questions import GAP, ContextCheck, excerpt

MIDNIGHT = 20_000 * DAY


class Clock:
    now = MIDNIGHT + 100.0

    def __call__(self) -> float:
        return self.now


def test_a_day_has_a_number_of_tokens() -> None:
    tokens = DailyTokens(100, clock := Clock())
    tokens.spend(99)
    assert not tokens.are_spent()
    tokens.spend(1)
    assert tokens.are_spent()
    clock.now = MIDNIGHT + DAY - 1
    assert tokens.are_spent()
    clock.now += 1
    assert not tokens.are_spent()


def test_a_clock_that_steps_back_over_midnight_gives_no_second_budget() -> None:
    tokens = DailyTokens(100, clock := Clock())
    tokens.spend(100)
    clock.now = MIDNIGHT - 1
    assert tokens.are_spent()
    clock.now = MIDNIGHT + 1
    assert tokens.are_spent()


def test_a_clock_that_was_far_ahead_blocks_no_question() -> None:
    tokens = DailyTokens(100, clock := Clock())
    clock.now += 365 * DAY
    tokens.spend(100)
    clock.now -= 365 * DAY
    assert not tokens.are_spent()


def test_without_a_limit_all_may_be_asked() -> None:
    tokens = DailyTokens(None)
    tokens.spend(10**12)
    assert not tokens.are_spent()


@pytest.mark.parametrize("message", ["", "a" * 100, "\U0001f600" * 100])
def test_a_message_within_the_limit_stays_as_it_is(message: str) -> None:
    assert excerpt(message, 100) == message


def test_a_longer_message_loses_its_middle() -> None:
    shown = excerpt("a" * 300 + "b" * 300, 157)
    assert shown == "a" * 100 + GAP + "b" * 50


@pytest.mark.parametrize("limit", range(100, 110))
def test_a_shortened_message_has_exactly_the_limit(limit: int) -> None:
    assert len(excerpt("a" * 5000, limit)) == limit


def test_a_prompt_that_was_cut_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    check = ContextCheck()
    with caplog.at_level(logging.WARNING, "function.llm"):
        for usage in (Usage(), Usage(5000), Usage(100, cached_tokens=50)):
            check.look(usage)
        assert caplog.messages == []
        check.look(Usage(100))
        check.look(Usage(100))
    assert caplog.messages == ["the server cuts the prompt"]
