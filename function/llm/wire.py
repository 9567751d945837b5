"""The two formats in which models are asked: that of OpenAI, which many speak, and Anthropic's."""

from dataclasses import dataclass
from typing import Protocol

from function.llm.outcome import NoAnswer, Reason, Usage

# Of the answer, which takes about 150; a model that reasons first needs the rest.
MAX_TOKENS = 2048


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
