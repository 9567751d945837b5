"""The circuit breaker, with a clock of its own."""

from dataclasses import dataclass

from function.llm.breaker import CircuitBreaker


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def opened(clock: Clock) -> CircuitBreaker:
    breaker = CircuitBreaker(clock, failures=3, pause=30)
    assert [breaker.fail() for _ in range(3)] == [False, False, True]
    return breaker


def test_it_opens_after_failures_in_a_row_only() -> None:
    breaker = CircuitBreaker(Clock(), failures=2, pause=30)
    breaker.fail()
    breaker.succeed()
    assert not breaker.fail()
    assert breaker.allows()
    assert breaker.fail()
    assert not breaker.allows()


def test_one_request_a_pause_may_try() -> None:
    breaker = opened(clock := Clock())
    clock.now += 29.9
    assert not breaker.allows()
    clock.now += 0.1
    assert [breaker.allows() for _ in range(3)] == [True, False, False]


def test_a_try_that_fails_begins_another_pause_and_is_no_news() -> None:
    breaker = opened(clock := Clock())
    clock.now += 30
    assert breaker.allows()
    clock.now += 10
    assert not breaker.fail()
    clock.now += 29.9
    assert not breaker.allows()
    clock.now += 0.1
    assert breaker.allows()


def test_a_try_that_succeeds_lets_all_through() -> None:
    breaker = opened(clock := Clock())
    clock.now += 30
    assert breaker.allows()
    assert breaker.succeed()
    assert not breaker.succeed()
    assert [breaker.allows() for _ in range(3)] == [True] * 3


def test_a_try_that_never_reports_does_not_block_the_next_one_for_ever() -> None:
    breaker = opened(clock := Clock())
    clock.now += 30
    assert breaker.allows()
    clock.now += 30
    assert breaker.allows()
