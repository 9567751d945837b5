"""What metrics tell of questions to the model.

https://opentelemetry.io/docs/specs/semconv/gen-ai/, version 1.37, which is in development.
"""

import time

from function.llm.outcome import NOT_ASKED, Answer, NoAnswer
from function.llm_settings import LlmSettings
from function.metrics import MODEL_DURATION, MODEL_TOKENS, QUESTIONS, REPAIRS


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
        MODEL_DURATION.observe(time.perf_counter() - started, *labels, reason)
    if outcome.usage.input_tokens:
        MODEL_TOKENS.observe(outcome.usage.input_tokens, *labels, "input")
    if outcome.usage.output_tokens:
        MODEL_TOKENS.observe(outcome.usage.output_tokens, *labels, "output")
