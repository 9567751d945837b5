"""The analyzer that asks a model, and falls back to the neutral strategy."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from function.analysis import FALLBACK_STRATEGY
from function.domain import Feedback, Strategy
from function.llm.background import Shared
from function.llm.breaker import CircuitBreaker
from function.llm.outcome import Answer, NoAnswer, Reason
from function.llm_settings import LlmSettings

if TYPE_CHECKING:
    from function.llm.model import Model

log = logging.getLogger("function.llm")


class LlmAnalyzer:
    """Asks the model; without its answer the strategy is neutral, and not based on feedback."""

    def __init__(self, settings: LlmSettings) -> None:
        """Open nothing: the first feedback does."""
        self._settings = settings
        self._model: Shared[Model] = Shared(self._make_model)
        self._breaker = CircuitBreaker(time.monotonic)

    def _make_model(self) -> Model:
        from function.llm.model import Model  # a cold start does without pydantic's models

        return Model(self._settings)

    async def analyze(self, feedback: Feedback) -> Strategy:
        started = time.perf_counter()
        try:
            answer = await self._ask(feedback)
            _note(answer, time.perf_counter() - started)
            return answer.strategy
        except NoAnswer as exc:
            _warn(exc, time.perf_counter() - started)
            return FALLBACK_STRATEGY._replace(concern=exc.concern)
        except Exception:
            log.exception("internal error")
        return FALLBACK_STRATEGY

    @property
    def is_paused(self) -> bool:
        """Whether the provider has failed so often that questions don't reach it for now."""
        return self._breaker.is_open

    async def close(self) -> None:
        if model := self._model.made():
            await model.close()

    async def _ask(self, feedback: Feedback) -> Answer:
        if not self._breaker.allows():
            raise NoAnswer(Reason.CIRCUIT_OPEN)
        try:
            answer = await (await self._get_model()).ask(feedback)
        except NoAnswer as exc:
            if exc.clears_provider or exc.blames_provider:
                self._learn(healthy=exc.clears_provider)
            raise
        self._learn(healthy=True)
        return answer

    async def _get_model(self) -> Model:
        try:
            return await asyncio.wait_for(self._model.get(), self._settings.timeout)
        except TimeoutError:
            raise NoAnswer(Reason.TIMEOUT) from None

    def _learn(self, *, healthy: bool) -> None:
        if healthy and self._breaker.succeed():
            log.warning("model back, circuit closed")
        if not healthy and self._breaker.fail():
            log.warning("model failing, circuit open")


def _note(answer: Answer, seconds: float) -> None:
    fields = {
        "attempts": answer.attempts,
        "duration_ms": round(seconds * 1000, 3),
        "input_tokens": answer.usage.input_tokens,
        "output_tokens": answer.usage.output_tokens,
    }
    log.debug("model answered", extra=fields)


def _warn(failure: NoAnswer, seconds: float) -> None:
    """Log each fallback, without any text of a library, a model or a student."""
    fields: dict[str, object] = {
        "reason": failure.reason.value,
        "attempts": failure.attempts,
        "duration_ms": round(seconds * 1000, 3),
    }
    if failure.status:
        fields["status"] = failure.status
    fields |= failure.details
    log.warning("model gave no answer", extra=fields)
