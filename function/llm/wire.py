"""The two formats in which models are asked: OpenAI's, which many servers speak, and Anthropic's.

What is used of a response is checked; everything else in it is ignored.
"""

from dataclasses import dataclass
from typing import Annotated, Protocol

from pydantic import BeforeValidator, Field, ValidatorFunctionWrapHandler, WrapValidator

from function.llm.outcome import NoAnswer, Reason, Usage

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

    path: str

    def headers(self, key: str | None) -> dict[str, str]:
        """The headers that carry the key."""
        ...

    def body(self, model: str, user_message: str) -> dict[str, object]:
        """The request."""
        ...

    def read(self, body: bytes) -> Completion:
        """Read the response to it; raises NoAnswer when it is not one of this format."""
        ...
