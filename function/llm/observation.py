"""What metrics and spans tell of questions to the model.

https://opentelemetry.io/docs/specs/semconv/gen-ai/, version 1.37, which is in development.
"""

import time
from collections.abc import Mapping

from function.llm.outcome import NOT_ASKED, Answer, NoAnswer
from function.llm_settings import LlmSettings
from function.metrics import MODEL_DURATION, MODEL_LABELS, MODEL_TOKENS, QUESTIONS, REPAIRS
from function.tracing import current, record_client


def observe(settings: LlmSettings, outcome: Answer | NoAnswer, started: float) -> None:
    """Observe a question that began at `started`, on the clock of time.perf_counter()."""
    labels = ("chat", settings.provider, settings.model)
    reason = ""
    if isinstance(outcome, NoAnswer):
        reason = outcome.reason.value.replace(" ", "_")
        QUESTIONS.add(1, "failed", reason)
    else:
        QUESTIONS.add(1, "answered", "")
        for repair in outcome.repairs:
            REPAIRS.add(1, repair.replace(" ", "_"))
    if isinstance(outcome, Answer) or outcome.reason not in NOT_ASKED:
        seconds = time.perf_counter() - started
        MODEL_DURATION.observe(seconds, *labels, reason)
        if spans := current.get():
            began = time.time_ns() - int(seconds * 1e9)
            attributes = _attributes(labels, outcome, reason)
            name = f"chat {settings.model}"
            record_client(spans, name, began, attributes, failed=bool(reason))
    if outcome.usage.input_tokens:
        MODEL_TOKENS.observe(outcome.usage.input_tokens, *labels, "input")
    if outcome.usage.output_tokens:
        MODEL_TOKENS.observe(outcome.usage.output_tokens, *labels, "output")


def _attributes(
    labels: tuple[str, ...], outcome: Answer | NoAnswer, reason: str
) -> Mapping[str, str | int | bool]:
    attributes: dict[str, str | int | bool] = dict(zip(MODEL_LABELS, labels, strict=True))
    attributes["gen_ai.usage.input_tokens"] = outcome.usage.input_tokens
    attributes["gen_ai.usage.output_tokens"] = outcome.usage.output_tokens
    attributes["mentor.attempts"] = outcome.attempts
    if reason:
        attributes["error.type"] = reason
    return attributes
