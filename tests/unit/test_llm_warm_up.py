"""The pauses between warm-ups, and what ends them."""

import asyncio
from typing import cast

import pytest

from function.domain import Feedback
from function.llm.limits import CircuitBreaker
from function.llm.outcome import Answer, NoAnswer, Reason
from function.llm.questions import Questions
from function.llm.warm_up import WarmUp
from function.llm_settings import LlmSettings

SETTINGS = LlmSettings("openai", "http://localhost/v1", "m", None, None, 10)


class Unreachable:
    """A model whose server is away; `back` is called with each question."""

    def __init__(self, breaker: CircuitBreaker, questions: int) -> None:
        self._breaker = breaker
        self._left = questions

    async def ask(self, feedback: Feedback, deadline: float) -> Answer:
        self._left -= 1
        raise NoAnswer(Reason.UNREACHABLE if self._left else Reason.REFUSED)


def pauses_of(
    monkeypatch: pytest.MonkeyPatch, breaker: CircuitBreaker, questions: int
) -> list[float]:
    pauses: list[float] = []

    async def main() -> None:
        turn = asyncio.sleep

        async def sleep(seconds: float) -> None:
            pauses.append(seconds)
            await turn(0)

        monkeypatch.setattr(asyncio, "sleep", sleep)
        model = cast("Questions", Unreachable(breaker, questions))
        warm_up = WarmUp(SETTINGS, model, breaker)
        warm_up.begin(1)
        warm_up.begin(2)  # one at a time
        for _ in range(100):
            await turn(0)
        await warm_up.stop()

    asyncio.run(main())
    return pauses


def test_while_the_circuit_is_open_the_pauses_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    breaker = CircuitBreaker(failures=1)
    breaker.learn(NoAnswer(Reason.TIMEOUT))
    assert pauses_of(monkeypatch, breaker, 7) == [1, 5, 10, 20, 40, 60, 60]
    assert not breaker.is_open


def test_while_it_is_closed_one_question_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pauses_of(monkeypatch, CircuitBreaker(), 7) == [1, 5]
