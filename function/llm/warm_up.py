"""Wakes a sleeping model, and tells when a failing one is back, without a student who waits.

Ollama loads a model with the first question, and stops that when the client disconnects. A
student's question ends at LLM_TIMEOUT, so it can't wake a model that takes longer.
"""

from __future__ import annotations

import asyncio
import logging
from contextvars import Context
from uuid import UUID

from function.domain import Feedback
from function.llm.limits import CircuitBreaker
from function.llm.observation import Record
from function.llm.outcome import NoAnswer
from function.llm.questions import Questions
from function.llm_settings import LlmSettings

log = logging.getLogger("function.llm")

QUESTION = Feedback(UUID(int=0), "warm-up", "This task was fine.")
LOAD_LIMIT = 300.0  # seconds that a server of one's own may take to load its model
FIRST_PAUSE = 5.0  # seconds after a question that failed; twice as long after each further one
LONGEST_PAUSE = 60.0  # seconds
END_LIMIT = 1.0  # seconds for a question that is given up


class WarmUp:
    """Asks in the background, one question at a time, until one is answered within LLM_TIMEOUT.

    It gives up earlier if the circuit is closed, because then students ask.
    """

    def __init__(
        self, settings: LlmSettings, questions: Questions, breaker: CircuitBreaker
    ) -> None:
        self._settings = settings
        self._questions = questions
        self._breaker = breaker
        self._was_late = False
        self._task: asyncio.Task[None] | None = None

    def begin(self, delay: float = 0) -> None:
        """Ask in `delay` seconds, unless that is under way."""
        if self._task is None or self._task.done():
            run = self._run(delay)
            # In an empty context, because its lines in the log belong to no request.
            self._task = asyncio.get_running_loop().create_task(run, context=Context())

    async def stop(self) -> None:
        """Give up at once."""
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task], timeout=END_LIMIT)

    async def _run(self, delay: float) -> None:
        await asyncio.sleep(delay)
        pause = FIRST_PAUSE
        while not await self._is_awake():
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            if not self._breaker.is_open and not self._was_late:
                break

    async def _is_awake(self) -> bool:
        """Ask; return whether students would have got the answer."""
        record = Record(self._settings, warm_up=True)
        try:
            await self._ask(record)
        except NoAnswer:
            return False
        except Exception:
            log.exception("internal error")
            return False
        late = record.seconds > self._settings.timeout
        if late:
            self._note_late(record.seconds)
        else:
            self._was_late = False
            self._breaker.learn(None)
        return not late

    async def _ask(self, record: Record) -> None:
        limit = LOAD_LIMIT if self._settings.own_server else self._settings.timeout
        try:
            deadline = asyncio.get_running_loop().time() + limit
            record.answered(await self._questions.ask(QUESTION, deadline))
        except NoAnswer as exc:
            record.failed(exc)
            if not exc.clears_provider:
                raise

    def _note_late(self, seconds: float) -> None:
        """The first late answer may include the load; the model is too slow if the next is late."""
        if self._was_late:
            hint = "raise LLM_TIMEOUT, or choose a smaller model: docs/models.md"
            fields = {"seconds": round(seconds, 1), "hint": hint}
            log.warning("model slower than LLM_TIMEOUT", extra=fields)
        self._was_late = not self._was_late
