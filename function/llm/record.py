"""The one line in the log for each question: what it took, and how it ended.

It contains no text of a library, a model or a student.
"""

import logging
import time

from function.llm.outcome import Answer, NoAnswer, Usage

log = logging.getLogger("function.llm")


class Record:
    """Takes the time of a question from now on, and writes its line."""

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
