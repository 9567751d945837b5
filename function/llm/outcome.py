"""How a question to the model ends: with an answer, or with the reason why there is none.

Record writes the line in the log for it.
"""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from function.domain import Concern, Strategy
from function.llm.rejection import Rejection

log = logging.getLogger("function.llm")


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


class Record:
    """Takes the time of a question from now on, and writes its line in the log.

    The line contains no text of a library, a model or a student.
    """

    def __init__(self, model: str, *, warm_up: bool = False) -> None:
        self._fields: dict[str, object] = {"model": model}
        if warm_up:
            self._fields["warm_up"] = True
        self._started = time.perf_counter()

    @property
    def seconds(self) -> float:
        """The time until now."""
        return time.perf_counter() - self._started

    def answered(self, answer: Answer) -> None:
        """Write the line of a question that was answered."""
        fields = {"repairs": answer.repairs} if answer.repairs else {}
        log.info("model answered", extra=self._took(answer.usage, answer.attempts) | fields)

    def failed(self, failure: NoAnswer) -> None:
        """Write the line of a question without a usable answer."""
        fields: dict[str, object] = {"reason": failure.reason.value}
        if failure.status:
            fields["status"] = failure.status
        fields |= failure.details
        took = self._took(failure.usage, failure.attempts)
        log.warning("model gave no answer", extra=fields | took)

    def _took(self, usage: Usage, attempts: int) -> dict[str, object]:
        return {
            **self._fields,
            "input_tokens": usage.input_tokens,
            "cached_tokens": usage.cached_tokens,
            "reasoning_tokens": usage.reasoning_tokens,
            "output_tokens": usage.output_tokens,
            "attempts": attempts,
            "duration_ms": round(self.seconds * 1000, 3),
        }
