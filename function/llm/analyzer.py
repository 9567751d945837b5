"""The analyzer that asks a model, and falls back to the neutral strategy."""

import asyncio
import logging
from uuid import UUID

from function.analysis import FALLBACK_STRATEGY
from function.buckets import Buckets
from function.domain import Feedback, NotAskedSnapshot, Strategy
from function.llm.limits import CircuitBreaker, Places
from function.llm.observation import Record
from function.llm.outcome import Answer, NoAnswer, Reason
from function.llm.questions import Questions
from function.llm.warm_up import WarmUp
from function.llm_settings import LlmSettings

log = logging.getLogger("function.llm")

HOUR = 60 * 60  # seconds
QUEUE_SHARE = 0.25  # of LLM_TIMEOUT; the provider has the rest, and is not blamed for our queue
START_DELAY = 1.0  # seconds: the first answer of a cold start comes before the warm-up
LIMITS = {Reason.DAILY_TOKENS, Reason.STUDENT_LIMIT}


class LlmAnalyzer:
    """Asks the model; without its answer the strategy is neutral, and not based on feedback."""

    def __init__(self, settings: LlmSettings) -> None:
        self._settings = settings
        self._questions = Questions(settings)
        self._breaker = CircuitBreaker()
        self._places = Places(settings.concurrency, settings.timeout * QUEUE_SHARE)
        hourly = settings.student_hourly
        self._students = Buckets(hourly, HOUR) if hourly else None
        self._warm_up = WarmUp(settings, self._questions, self._breaker)

    def start(self) -> None:
        """Wake the model of a server of one's own. A provider's is awake, and costs money."""
        if self._settings.own_server:
            log.info("the model is loading", extra={"model": self._settings.model})
            self._warm_up.begin(START_DELAY)

    async def analyze(self, feedback: Feedback) -> Strategy:
        record = Record(self._settings)
        try:
            answer = await self._ask(feedback)
        except NoAnswer as exc:
            record.failed(exc)
            return _fallback(exc)
        except Exception:
            log.exception("internal error")
            return FALLBACK_STRATEGY
        record.answered(answer)
        return answer.strategy

    @property
    def is_paused(self) -> bool:
        """Whether no question is asked for now: the provider fails, or the tokens are spent."""
        return self._breaker.is_open or self._questions.tokens.are_spent()

    async def close(self) -> None:
        await self._warm_up.stop()
        await self._questions.close()

    async def _ask(self, feedback: Feedback) -> Answer:
        """Ask about feedback, if that may be, within LLM_TIMEOUT; raises NoAnswer."""
        deadline = asyncio.get_running_loop().time() + self._settings.timeout
        self._require_closed()
        self._require_allowed(feedback.student_id)
        async with self._places.take():
            self._require_closed()  # it may have opened meanwhile
            try:
                answer = await self._questions.ask(feedback, deadline)
            except NoAnswer as exc:
                self._learn(exc)
                raise
        self._breaker.learn(None)
        return answer

    def _require_closed(self) -> None:
        if self._breaker.is_open:
            self._warm_up.begin()
            raise NoAnswer(Reason.CIRCUIT_OPEN)

    def _require_allowed(self, student: UUID) -> None:
        if self._students and self._students.take([student]):
            raise NoAnswer(Reason.STUDENT_LIMIT)

    def _learn(self, failure: NoAnswer) -> None:
        self._breaker.learn(failure)
        sleeps = self._settings.own_server and failure.reason is Reason.TIMEOUT
        if self._breaker.is_open or sleeps:
            self._warm_up.begin()


def _fallback(failure: NoAnswer) -> Strategy:
    strategy = FALLBACK_STRATEGY._replace(concern=failure.concern)
    if failure.reason not in LIMITS:
        return strategy
    snapshot = strategy.snapshot
    return strategy._replace(
        snapshot=NotAskedSnapshot(
            snapshot.difficulty_weight,
            snapshot.feedback_based,
            snapshot.sentiment,
            failure.reason.value,
        )
    )
