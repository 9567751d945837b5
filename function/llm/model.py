"""One question to the model, within one limit of time."""

import asyncio

from pydantic_core import to_json

from function.domain import Feedback
from function.llm.answer import read_answer
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

    async def ask(self, feedback: Feedback) -> Answer:
        """Ask for a strategy; raises NoAnswer, LLM_TIMEOUT after the call at the latest."""
        attempts = Attempts(self._settings.timeout)
        try:
            async with asyncio.timeout(self._settings.timeout):
                answer = await attempts.run(lambda: self._post(feedback))
            return answer._replace(attempts=attempts.made)
        except TimeoutError:
            failure = NoAnswer(Reason.TIMEOUT)
        except NoAnswer as exc:
            failure = exc
        failure.attempts = attempts.made
        raise failure

    async def close(self) -> None:
        """Close the connections, when no question is open."""
        await self._client.close()

    async def _post(self, feedback: Feedback) -> Answer:
        headers = self._format.headers(read_key(self._settings))
        body = self._format.body(self._settings.model, user_message(feedback))
        response = await self._client.post(self._format.path, headers, to_json(body))
        return read_answer(self._format, response, self._settings.model)


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
