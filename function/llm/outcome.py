"""How a question to the model ends: with an answer, or with the reason why there is none."""

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from function.domain import Concern, Strategy


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that the provider counted; 0 where it did not say.

    The cached tokens are among the input tokens, and the reasoning tokens among the output tokens.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0


class Answer(NamedTuple):
    """The strategy that the model chose, and what that took."""

    strategy: Strategy
    usage: Usage
    attempts: int
    repairs: tuple[str, ...] = ()


class Reason(Enum):
    """Why there is no answer. The log has these words; they quote nothing."""

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
    DAILY_TOKENS = "daily tokens"
    STUDENT_LIMIT = "student limit"


# A student's message must not open the circuit for all others: a 400 may be a provider's content
# filter. Without a key no request is sent. BUSY means that other students' requests took all
# connections.
NOT_THE_PROVIDERS = {
    Reason.REFUSED,
    Reason.TRUNCATED,
    Reason.INVALID_ANSWER,
    Reason.NO_KEY,
    Reason.BUSY,
}
STATUSES_BY_THE_MESSAGE = {400, 413, 422}
ANSWERS = {Reason.REFUSED, Reason.TRUNCATED, Reason.INVALID_ANSWER}


class NoAnswer(Exception):
    """The model gave no answer that can be used.

    `status` is HTTP's, if there was one, and `retry_after` the header's text. The caller adds the
    number of attempts and the tokens that they took. `concern` is what a provider's filter saw.
    """

    def __init__(self, reason: Reason, status: int | None = None, retry_after: str = "") -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.status = status
        self.retry_after = retry_after
        self.attempts = 0
        self.usage = Usage()
        self.concern = Concern.UNASSESSED

    @property
    def blames_provider(self) -> bool:
        """Whether the provider is in trouble, so that the next question would fail, too."""
        if self.reason is Reason.STATUS:
            return self.status not in STATUSES_BY_THE_MESSAGE
        return self.reason not in NOT_THE_PROVIDERS

    @property
    def clears_provider(self) -> bool:
        """Whether the model answered, so that the provider works."""
        return self.reason in ANSWERS
