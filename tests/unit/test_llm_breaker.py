"""The circuit breaker: what opens it, and what closes it."""

from function.llm.limits import CircuitBreaker
from function.llm.outcome import NoAnswer, Reason

PROVIDER = NoAnswer(Reason.TIMEOUT)


def test_failures_in_a_row_open_it_and_an_answer_closes_it() -> None:
    breaker = CircuitBreaker(failures=2)
    for outcome in (PROVIDER, None, PROVIDER):
        breaker.learn(outcome)
        assert not breaker.is_open
    breaker.learn(PROVIDER)
    assert breaker.is_open
    breaker.learn(None)
    assert not breaker.is_open


def test_an_answer_that_can_not_be_used_shows_that_the_provider_works() -> None:
    for reason in (Reason.REFUSED, Reason.TRUNCATED, Reason.INVALID_ANSWER):
        breaker = CircuitBreaker(failures=1)
        breaker.learn(PROVIDER)
        breaker.learn(NoAnswer(reason))
        assert not breaker.is_open


def test_what_says_nothing_about_the_provider_changes_nothing() -> None:
    breaker = CircuitBreaker(failures=2)
    breaker.learn(PROVIDER)
    long_message = NoAnswer(Reason.TIMEOUT)
    long_message.by_message = True
    for failure in (NoAnswer(Reason.BUSY), NoAnswer(Reason.NO_KEY), long_message):
        breaker.learn(failure)
        assert not breaker.is_open
    breaker.learn(PROVIDER)
    assert breaker.is_open
    breaker.learn(NoAnswer(Reason.BUSY))
    assert breaker.is_open
