"""How a question to the model ends: with an answer, or with the reason why there is none."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from function.domain import Concern, Strategy
from function.llm.rejection import Rejection


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that the provider counted, its name of the model, and why that stopped.

    0 or "" where it did not say. The cached tokens are among the input tokens, and the reasoning
    tokens among the output tokens.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    model: str = ""
    finish_reason: str = ""


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
    PROVIDER_ERROR = "provider error"
    NO_KEY = "no key"
    REFUSED = "refused"
    TRUNCATED = "truncated"
    INVALID_ANSWER = "invalid answer"
    CIRCUIT_OPEN = "circuit open"
    DAILY_TOKENS = "daily tokens"
    STUDENT_LIMIT = "student limit"


ANSWERED = {Reason.REFUSED, Reason.TRUNCATED, Reason.INVALID_ANSWER}
# BUSY means that other students' questions took all places.
NOT_ASKED = {
    *(Reason.NO_KEY, Reason.BUSY, Reason.CIRCUIT_OPEN),
    *(Reason.DAILY_TOKENS, Reason.STUDENT_LIMIT),
}


class NoAnswer(Exception):
    """The model gave no answer that can be used.

    The caller adds the number of attempts and the tokens that they took, and `details` for the
    log. `concern` is what a provider's filter saw. `by_message`: the message may be the reason.
    """

    def __init__(
        self, reason: Reason, status: int | None = None, rejection: Rejection | None = None
    ) -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.status = rejection.status if rejection else status
        self.rejection = rejection
        self.details: Mapping[str, str] = {}
        self.attempts = 0
        self.usage = Usage()
        self.concern = Concern.UNASSESSED
        self.by_message = False

    @property
    def clears_provider(self) -> bool:
        """Whether the provider works: it answered, though not usefully."""
        return self.reason in ANSWERED

    @property
    def blames_provider(self) -> bool:
        """Whether the next question would probably fail, too.

        Where a failure neither clears nor blames the provider, it tells nothing about it.
        """
        return not (self.clears_provider or self.reason in NOT_ASKED or self.by_message)
