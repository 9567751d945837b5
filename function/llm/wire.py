"""The two formats in which models are asked: that of OpenAI and many servers, and Anthropic's."""

from typing import Protocol

from function.llm.response import Completion

# For the answer, which takes about 150; a model that reasons first needs the rest.
MAX_TOKENS = 2048


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
