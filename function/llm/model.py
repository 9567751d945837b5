"""One question to the model, within one limit of time."""

import asyncio
import logging
from collections import deque
from functools import partial

from pydantic_core import to_json

from function.domain import Feedback
from function.llm.answer import read_answer
from function.llm.anthropic import AnthropicFormat
from function.llm.attempts import Attempts
from function.llm.client import HttpClient
from function.llm.dialect import Dialect, learn
from function.llm.openai import OpenAiFormat
from function.llm.outcome import Answer, NoAnswer, Reason
from function.llm.prompt import user_message
from function.llm.rejection import filtered, words_for_log
from function.llm.wire import WireFormat
from function.llm_settings import KEY, LlmSettings

FORMATS: dict[str, WireFormat] = {"openai": OpenAiFormat(), "anthropic": AnthropicFormat()}
# Code points. A model needs longer for a long message, and may have no room for it.
LONG_MESSAGE = 1000
STATUSES_BY_MESSAGE = (400, 413, 422)
STATUSES_OF_DIALECT = (400, 404, 422)
REMEMBERED = 100  # messages

log = logging.getLogger("function.llm")


class Model:
    """The configured model of the configured provider.

    `dialect` is what its server takes, as far as this process has learned it.
    """

    def __init__(self, settings: LlmSettings) -> None:
        self._settings = settings
        self._format = FORMATS[settings.provider]
        self.dialect = self._format.dialect(settings)
        self._refused: deque[int] = deque(maxlen=REMEMBERED)  # since the last answer
        self._client = HttpClient(settings.endpoint.base_url)

    async def ask(self, feedback: Feedback, limit: float | None = None) -> Answer:
        """Ask for a strategy; raises NoAnswer, after `limit` seconds at the latest."""
        limit = limit or self._settings.timeout
        attempts = Attempts(limit)
        try:
            async with asyncio.timeout(limit):
                answer = await self._converse(feedback, attempts)
            return answer._replace(attempts=attempts.made)
        except TimeoutError:
            failure = NoAnswer(Reason.TIMEOUT)
        except NoAnswer as exc:
            failure = exc
        failure.attempts = attempts.made
        failure.by_message = self._may_be_by_message(failure, feedback.message)
        raise failure

    async def close(self) -> None:
        """Close the connections, when no question is open."""
        await self._client.close()

    async def _converse(self, feedback: Feedback, attempts: Attempts) -> Answer:
        """Ask; if the server refuses a part of the request, ask again without that part.

        What was learned is kept only if it led to an answer, because a message can cause an error
        whose text names a parameter.
        """
        dialect = self.dialect
        learned = None
        while True:
            try:
                answer = await attempts.run(partial(self._post, feedback, learned or dialect))
            except NoAnswer as exc:
                if exc.clears_provider:
                    self._note_taken(learned)
                other = learn(learned or dialect, exc.rejection) if exc.rejection else None
                if other is None or exc.reason is not Reason.STATUS:
                    self._note_failed(exc)
                    raise
                learned = other
            else:
                self._note_taken(learned)
                return answer

    def _note_taken(self, learned: Dialect | None) -> None:
        """The server took a request, perhaps after it had refused others."""
        self._refused.clear()
        if learned and learned != self.dialect:  # another question may have learned the same
            log.info("learned what the server takes", extra=learned.describe())
            self.dialect = learned

    def _note_failed(self, failure: NoAnswer) -> None:
        """Another server may be behind the address now, so the next question learns anew."""
        if failure.reason is Reason.STATUS and failure.status in STATUSES_OF_DIALECT:
            self.dialect = self._format.dialect(self._settings)

    async def _post(self, feedback: Feedback, dialect: Dialect) -> Answer:
        key = read_key(self._settings)
        headers = self._format.headers(self._settings, key, dialect)
        body = self._format.body(self._settings.model, user_message(feedback), dialect)
        try:
            response = await self._client.post(dialect.paths[0], headers, to_json(body))
        except NoAnswer as exc:
            if exc.rejection:
                exc.details = words_for_log(
                    exc.rejection, key or "", feedback.message, feedback.task_id
                )
                concern = filtered(exc.rejection)
                if concern is not None:
                    exc.reason, exc.concern = Reason.REFUSED, concern
            raise
        return read_answer(self._format, response, self._settings.model)

    def _may_be_by_message(self, failure: NoAnswer, message: str) -> bool:
        """Whether another message may get an answer, so that this failure blames nobody.

        That is a long one that took too long or was refused, and one that was refused before.
        """
        refused = failure.status in STATUSES_BY_MESSAGE and failure.reason is Reason.STATUS
        if not refused:
            return failure.reason is Reason.TIMEOUT and len(message) > LONG_MESSAGE
        known = hash(message) in self._refused
        self._refused.append(hash(message))
        return known or len(message) > LONG_MESSAGE


def read_key(settings: LlmSettings) -> str | None:
    """Return the provider's key; raises NoAnswer if its file can't be read.

    The file is read for each question, so that a rotated key needs no restart.
    """
    if settings.api_key_file is None:
        return settings.api_key
    try:
        key = settings.api_key_file.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        raise NoAnswer(Reason.NO_KEY) from None
    if not KEY.fullmatch(key):
        raise NoAnswer(Reason.NO_KEY)
    return key
