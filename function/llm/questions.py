"""Asks the model what fits into its context, and counts the tokens of a day."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from function.domain import Concern
from function.llm.background import Shared
from function.llm.limits import DailyTokens
from function.llm.outcome import Answer, NoAnswer, Reason, Usage

if TYPE_CHECKING:
    from function.domain import Feedback
    from function.llm.model import Model
    from function.llm_settings import LlmSettings

log = logging.getLogger("function.llm")

UNREPORTED = 2000  # tokens that count for a question where the provider named none
GAP = " [...] "
HEAD = 2 / 3  # of the characters that are kept; the rest are the last ones
CHARACTERS_PER_TOKEN = 6  # at most, in an English prompt; 4 to 5 are usual


class Questions:
    """The configured model. The first question opens its connections."""

    def __init__(self, settings: LlmSettings) -> None:
        self._settings = settings
        self._model: Shared[Model] = Shared(self._make_model)
        self.tokens = DailyTokens(settings.daily_tokens)
        self._context = ContextCheck()

    def _make_model(self) -> Model:
        from function.llm.model import Model  # a cold start does without it

        return Model(self._settings)

    async def ask(self, feedback: Feedback, deadline: float) -> Answer:
        """Ask, until the deadline on the loop's clock; raises NoAnswer."""
        if self.tokens.are_spent():
            raise NoAnswer(Reason.DAILY_TOKENS)
        shown = excerpt(feedback.message, self._settings.message_limit)
        model = await self._get_model(deadline)
        limit = deadline - asyncio.get_running_loop().time()
        try:
            answer = await model.ask(feedback._replace(message=shown), limit)
        except NoAnswer as exc:
            self._count(exc.usage, charged=exc.clears_provider or exc.reason is Reason.TIMEOUT)
            raise
        self._count(answer.usage, charged=True)
        return answer if shown == feedback.message else _without_all_clear(answer)

    async def close(self) -> None:
        """Close the connections."""
        if model := self._model.made():
            await model.close()

    async def _get_model(self, deadline: float) -> Model:
        try:
            async with asyncio.timeout_at(deadline):
                return await self._model.get()
        except TimeoutError:
            raise NoAnswer(Reason.TIMEOUT) from None

    def _count(self, usage: Usage, *, charged: bool) -> None:
        """`charged`: the provider may charge even if it named no tokens."""
        tokens = usage.input_tokens + usage.output_tokens
        self.tokens.spend(tokens or (UNREPORTED if charged else 0))
        self._context.look(usage)


def _without_all_clear(answer: Answer) -> Answer:
    """In what the model did not see may be a concern."""
    if answer.strategy.concern is not Concern.NONE:
        return answer
    return answer._replace(strategy=answer.strategy._replace(concern=Concern.UNASSESSED))


def excerpt(message: str, limit: int) -> str:
    """Keep the beginning and the end of a message that is longer than `limit` characters."""
    if len(message) <= limit:
        return message
    kept = limit - len(GAP)
    head = round(kept * HEAD)
    return message[:head] + GAP + message[head - kept :]


class ContextCheck:
    """Warns, once, if a server can't have seen all of the instructions.

    Ollama silently drops the front of a prompt that is longer than its context.
    """

    def __init__(self) -> None:
        self._warned = False

    def look(self, usage: Usage) -> None:
        """Compare the tokens of a question with what the instructions take at least."""
        from function.llm.prompt import system_prompt  # a cold start does without it

        least = len(system_prompt()) // CHARACTERS_PER_TOKEN
        # Some servers do not count the tokens that they had in a cache.
        if self._warned or usage.cached_tokens or not 0 < usage.input_tokens < least:
            return
        self._warned = True
        fields = {"input_tokens": usage.input_tokens, "at_least": least}
        hint = "give the model a larger context: docs/models.md"
        log.warning("the server cuts the prompt", extra={**fields, "hint": hint})
