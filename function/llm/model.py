"""One question to the model, within one limit of time."""

import asyncio

from pydantic_core import to_json

from function.domain import Feedback
from function.llm.answer import parse_answer
from function.llm.anthropic import AnthropicFormat
from function.llm.attempts import Attempts
from function.llm.client import HttpClient
from function.llm.openai import OpenAiFormat
from function.llm.outcome import Answer, NoAnswer, Reason
from function.llm.prompt import user_message
from function.llm.wire import WireFormat
from function.llm_settings import KEY, LlmSettings

FORMATS: dict[str, WireFormat] = {"openai": OpenAiFormat(), "anthropic": AnthropicFormat()}


class Model:
    """The configured model of the configured provider."""

    def __init__(self, settings: LlmSettings) -> None:
        self._settings = settings
        self._format = FORMATS[settings.provider]
        # Half of it, so that the provider has the other half and is not blamed for our queue.
        self._client = HttpClient(settings.base_url, settings.timeout / 2)

    async def ask(self, feedback: Feedback, limit: float | None = None) -> Answer:
        """Ask for a strategy; raises NoAnswer, after `limit` seconds at the latest."""
        limit = limit or self._settings.timeout
        attempts = Attempts(limit)
        try:
            async with asyncio.timeout(limit):
                body = await attempts.run(lambda: self._post(feedback))
            return self._read(body, attempts.made)
        except TimeoutError:
            failure = NoAnswer(Reason.TIMEOUT)
        except NoAnswer as exc:
            failure = exc
        failure.attempts = attempts.made
        raise failure

    async def close(self) -> None:
        """Close the connections, when no question is open."""
        await self._client.close()

    async def _post(self, feedback: Feedback) -> bytes:
        headers = self._format.headers(read_key(self._settings))
        body = self._format.body(self._settings.model, user_message(feedback))
        return await self._client.post(self._format.path, headers, to_json(body))

    def _read(self, body: bytes, attempts: int) -> Answer:
        completion = self._format.read(body)
        try:
            strategy = parse_answer(completion.content(), self._settings.model)
        except NoAnswer as exc:
            exc.usage = completion.usage
            raise
        return Answer(strategy, completion.usage, attempts)


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
