"""The two formats in which models are asked: OpenAI's, which many servers speak, and Anthropic's.

What is used of a response is checked; everything else in it is ignored.
"""

from dataclasses import dataclass
from typing import Annotated, Protocol

from pydantic import BeforeValidator, Field, ValidatorFunctionWrapHandler, WrapValidator

from function.llm.dialect import Dialect, Format
from function.llm.outcome import NoAnswer, Reason, Usage
from function.llm.prompt import schema_in_words, system_prompt
from function.llm_settings import LlmSettings

# For the answer, which takes about 150; a model that reasons first needs the rest.
MAX_TOKENS = 2048


def _count(value: object, check: ValidatorFunctionWrapHandler) -> int:
    try:
        return int(check(value))
    except ValueError:
        return 0


def _or_empty(value: object) -> object:
    return value if isinstance(value, dict) else {}


# Tokens that a provider counted. Wrong numbers are 0, because no answer depends on them.
Count = Annotated[int, Field(ge=0, le=10**9), WrapValidator(_count)]
OrEmpty = BeforeValidator(_or_empty)


@dataclass(frozen=True, slots=True)
class Completion:
    """What a provider sent: the model's text, or why there is none, and what it cost."""

    text: str | None
    problem: Reason | None
    usage: Usage

    def content(self) -> str:
        """The text; raises NoAnswer."""
        if self.problem or self.text is None:
            raise NoAnswer(self.problem or Reason.INVALID_ANSWER)
        return self.text


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
