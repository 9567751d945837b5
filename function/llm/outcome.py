"""How a question to the model ends: with an answer, or without one and a reason for it."""

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from function.domain import Strategy


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that the provider counted; 0 where it did not say."""

    input_tokens: int = 0
    output_tokens: int = 0


class Answer(NamedTuple):
    """What the model made of a feedback, and what it took."""

    strategy: Strategy
    usage: Usage
    attempts: int


class Reason(Enum):
    """Why there is no answer, in words that quote nothing: they go to the log."""

    TIMEOUT = "timeout"
    BUSY = "busy"
    UNREACHABLE = "unreachable"
    STATUS = "status"
    TOO_LARGE = "too large"
    NOT_THE_API = "not the API"
    NO_KEY = "no key"
    REFUSED = "refused"
    TRUNCATED = "truncated"
    INVALID_ANSWER = "invalid answer"
    CIRCUIT_OPEN = "circuit open"


# What a student's own words can bring about must not end the service for all others. A 400 may
# be a provider's content filter. Without a key nobody is asked, so nobody waits. And who found no
# free connection has waited for other students.
NOT_THE_PROVIDERS = {
    Reason.REFUSED,
    Reason.TRUNCATED,
    Reason.INVALID_ANSWER,
    Reason.NO_KEY,
    Reason.BUSY,
}
STATUSES_BY_THE_MESSAGE = {400, 413, 422}


class NoAnswer(Exception):
    """The model gave no answer that can be used.

    `status` is HTTP's, where one came; `retry_after` the header's text. Who asked fills in how
    often the provider was asked, and what it cost all the same.
    """

    def __init__(self, reason: Reason, status: int | None = None, retry_after: str = "") -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.status = status
        self.retry_after = retry_after
        self.attempts = 0
        self.usage = Usage()

    @property
    def blames_provider(self) -> bool:
        """Whether the provider is in trouble, and the next question would fare no better."""
        if self.reason is Reason.STATUS:
            return self.status not in STATUSES_BY_THE_MESSAGE
        return self.reason not in NOT_THE_PROVIDERS
