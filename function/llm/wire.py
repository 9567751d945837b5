"""The two formats in which models are asked: that of OpenAI and many servers, and Anthropic's."""

from typing import Protocol

from function.llm.dialect import Dialect, Format
from function.llm.prompt import schema_in_words, system_prompt
from function.llm.response import Completion
from function.llm_settings import LlmSettings

# For the answer, which takes about 150; a model that reasons first needs the rest.
MAX_TOKENS = 2048


class WireFormat(Protocol):
    """How a provider is asked, and how it answers."""

    def dialect(self, settings: LlmSettings) -> Dialect:
        """What to send before anything was learned."""
        ...

    def headers(self, settings: LlmSettings, key: str | None, dialect: Dialect) -> dict[str, str]:
        """The headers; one of them carries the key."""
        ...

    def body(self, model: str, user_message: str, dialect: Dialect) -> dict[str, object]:
        """The request."""
        ...

    def read(self, body: bytes) -> Completion:
        """Read the response to it; raises NoAnswer when it is not one of this format."""
        ...


def system_text(dialect: Dialect) -> str:
    """The system's message; where the server takes no schema, it contains the schema."""
    if dialect.format is Format.SCHEMA:
        return system_prompt()
    return f"{system_prompt()}\n\n{schema_in_words()}"


def choices_of_effort(settings: LlmSettings) -> tuple[str | None, ...]:
    """What LLM_REASONING_EFFORT says, or else nothing."""
    return (settings.reasoning_effort, None) if settings.reasoning_effort else (None,)
