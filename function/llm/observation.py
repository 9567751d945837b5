"""What the log, metrics and spans tell of questions to the model.

https://opentelemetry.io/docs/specs/semconv/gen-ai/, version 1.37, which is in development.
"""

import logging
import time
from urllib.parse import urlsplit

from function.llm.outcome import NOT_ASKED, Answer, NoAnswer, Usage
from function.llm_settings import LlmSettings
from function.metrics import MODEL_DURATION, MODEL_LABELS, MODEL_TOKENS, QUESTIONS, REPAIRS
from function.tracing import Attributes, current, record_client

log = logging.getLogger("function.llm")


class Record:
    """Takes the time of a question from now on, and tells how it ends.

    Nothing that it tells contains a text of a library, a model or a student.
    """

    def __init__(self, settings: LlmSettings, *, warm_up: bool = False) -> None:
        self._labels = ("chat", settings.provider, settings.model)
        self._url = settings.endpoint.base_url
        self._warm_up = warm_up
        self._started = time.perf_counter()

    @property
    def seconds(self) -> float:
        """The time until now."""
        return time.perf_counter() - self._started

    def answered(self, answer: Answer) -> None:
        """Tell of a question that was answered."""
        fields = {"repairs": answer.repairs} if answer.repairs else {}
        log.info("model answered", extra=self._took(answer.usage, answer.attempts) | fields)
        for repair in answer.repairs:
            REPAIRS.add(1, repair.replace(" ", "_"))
        self._measure(answer.usage, answer.attempts, "")

    def failed(self, failure: NoAnswer) -> None:
        """Tell of a question without a usable answer."""
        fields: dict[str, object] = {"reason": failure.reason.value}
        if failure.status:
            fields["status"] = failure.status
        fields |= failure.details
        took = self._took(failure.usage, failure.attempts)
        log.warning("model gave no answer", extra=fields | took)
        reason = failure.reason.value.replace(" ", "_")
        self._measure(
            failure.usage, failure.attempts, reason, asked=failure.reason not in NOT_ASKED
        )

    def _took(self, usage: Usage, attempts: int) -> dict[str, object]:
        fields: dict[str, object] = {"model": self._labels[-1]}
        if self._warm_up:
            fields["warm_up"] = True
        return {
            **fields,
            "input_tokens": usage.input_tokens,
            "cached_tokens": usage.cached_tokens,
            "reasoning_tokens": usage.reasoning_tokens,
            "output_tokens": usage.output_tokens,
            "attempts": attempts,
            "duration_ms": round(self.seconds * 1000, 3),
        }

    def _measure(self, usage: Usage, attempts: int, reason: str, *, asked: bool = True) -> None:
        if not self._warm_up:
            QUESTIONS.add(1, "failed" if reason else "answered", reason)
        if usage.input_tokens:
            MODEL_TOKENS.observe(usage.input_tokens, *self._labels, "input")
        if usage.output_tokens:
            MODEL_TOKENS.observe(usage.output_tokens, *self._labels, "output")
        if asked:
            MODEL_DURATION.observe(self.seconds, *self._labels, reason)
            self._add_span(usage, attempts, reason)

    def _add_span(self, usage: Usage, attempts: int, reason: str) -> None:
        spans = current.get()
        if not spans:
            return
        url = urlsplit(self._url)
        attributes: Attributes = {
            **dict(zip(MODEL_LABELS, self._labels, strict=True)),
            "server.address": url.hostname or "",
            "server.port": url.port or (443 if url.scheme == "https" else 80),
            "gen_ai.usage.input_tokens": usage.input_tokens,
            "gen_ai.usage.output_tokens": usage.output_tokens,
            "mentor.attempts": attempts,
        }
        if usage.model:
            attributes["gen_ai.response.model"] = usage.model
        if usage.finish_reason:
            attributes["gen_ai.response.finish_reasons"] = (usage.finish_reason,)
        if reason:
            attributes["error.type"] = reason
        began = time.time_ns() - int(self.seconds * 1e9)
        name = f"chat {self._labels[-1]}"
        record_client(spans, name, began, attributes, failed=bool(reason))
