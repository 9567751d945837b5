"""The analyzer that asks a model, and has an answer when the model has none."""

import logging
import time

from function.analysis import FALLBACK_STRATEGY
from function.domain import Feedback, Strategy
from function.llm.breaker import CircuitBreaker
from function.llm.model import Model
from function.llm.outcome import Answer, NoAnswer, Reason
from function.llm_settings import LlmSettings

log = logging.getLogger("function.llm")


def make_analyzer(settings: LlmSettings) -> "LlmAnalyzer":
    """Put the analyzer together; nothing is opened before the first feedback."""
    return LlmAnalyzer(Model(settings), CircuitBreaker(time.monotonic))


class LlmAnalyzer:
    """Asks the model; without its answer the strategy is neutral, and not based on feedback."""

    def __init__(self, model: Model, breaker: CircuitBreaker) -> None:
        self._model = model
        self._breaker = breaker

    async def analyze(self, feedback: Feedback) -> Strategy:
        started = time.perf_counter()
        try:
            answer = await self._ask(feedback)
            _note(answer, time.perf_counter() - started)
            return answer.strategy
        except NoAnswer as exc:
            _warn(exc, time.perf_counter() - started)
        except Exception:
            log.exception("internal error")
        return FALLBACK_STRATEGY

    async def close(self) -> None:
        await self._model.close()

    async def _ask(self, feedback: Feedback) -> Answer:
        if not self._breaker.allows():
            raise NoAnswer(Reason.CIRCUIT_OPEN)
        try:
            answer = await self._model.ask(feedback)
        except NoAnswer as exc:
            self._learn(healthy=not exc.blames_provider)
            raise
        self._learn(healthy=True)
        return answer

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
    """One line a fallback: no text of a library, a model or a student is in it."""
    fields: dict[str, object] = {
        "reason": failure.reason.value,
        "attempts": failure.attempts,
        "duration_ms": round(seconds * 1000, 3),
    }
    if failure.status:
        fields["status"] = failure.status
    log.warning("model gave no answer", extra=fields)
