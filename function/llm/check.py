"""`python -m function.llm.check` asks the configured model one question, and says how it went.

It reads LLM_* and nothing else. It exits with 0 if the answer was usable, with 1 if not, and with
130 after Ctrl-C.
"""

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from uuid import UUID

from function.domain import Feedback, Strategy
from function.llm.model import Model
from function.llm.outcome import Answer, NoAnswer, Reason
from function.llm.warm_up import LOAD_LIMIT
from function.llm_settings import LlmSettings, find_unused, read_llm_settings
from function.variables import Variables

QUESTION = Feedback(
    UUID("550e8400-e29b-41d4-a716-446655440000"),  # not sent to the model
    task_id="fractions-1",
    message="I don't understand how to add fractions, this is too hard",
)
ADVICE = {
    Reason.UNREACHABLE: "Is the server running, and is LLM_BASE_URL its address?",
    Reason.TIMEOUT: "A model that is being loaded needs longer. Try again, or raise LLM_TIMEOUT.",
    Reason.NOT_THE_API: "Is LLM_BASE_URL the address of the API, and LLM_PROVIDER its format?",
    Reason.TRUNCATED: "A model that thinks first may need LLM_REASONING_EFFORT=none or low.",
    Reason.INVALID_ANSWER: "The model does not keep to the form. Try another one.",
    Reason.NO_KEY: "LLM_API_KEY_FILE can't be read, or contains more than a key.",
}
ADVICE_BY_STATUS = {
    400: "Does the server have the model of LLM_MODEL?",
    401: "Is the key right?",
    403: "May the key use this model?",
    404: "Does the server have the model of LLM_MODEL, and is LLM_BASE_URL right?",
    429: "The provider limits this key, or its credit is used up.",
}


def main() -> int:
    """Return the exit code."""
    variables = Variables(os.environ)
    settings = read_llm_settings(variables)
    if variables.problems:
        print("The configuration is not valid:", *variables.problems, sep="\n", file=sys.stderr)
        return 1
    if settings is None:
        print("LLM_PROVIDER names no provider, so the stub answers.", file=sys.stderr)
        return 1
    try:
        return asyncio.run(_check(settings, find_unused(variables, settings)))
    except KeyboardInterrupt:  # a model may load for minutes
        return 130


async def _check(settings: LlmSettings, unused: Sequence[str]) -> int:
    endpoint = settings.endpoint
    _say("Asking", f"{settings.model} at {endpoint.base_url}, in the format of {settings.provider}")
    if unused:
        _say("Not read", f"{', '.join(unused)}: correct the names")
    model = Model(settings)
    started = time.perf_counter()
    try:
        limit = LOAD_LIMIT if settings.own_server else settings.timeout
        outcome: Answer | NoAnswer = await model.ask(QUESTION, limit)
    except NoAnswer as exc:
        outcome = exc
    seconds = time.perf_counter() - started
    await model.close()
    usable = isinstance(outcome, Answer)
    _say("Answer", _strategy(outcome.strategy) if isinstance(outcome, Answer) else _why(outcome))
    _say("Latency", f"{seconds:.2f} s, {outcome.attempts} requests")
    if seconds > settings.timeout:
        print(
            "The server may have loaded the model. Ask again: students wait for LLM_TIMEOUT only."
        )
    _say("Tokens", f"{outcome.usage.input_tokens} in, {outcome.usage.output_tokens} out")
    for name, value in model.dialect.describe().items():
        _say(f"Sent {name}", value)
    print("The model works." if usable else "The model gave no usable answer.")
    return 0 if usable else 1


def _strategy(strategy: Strategy) -> str:
    topics = ", ".join(f"{topic} {weight:g}" for topic, weight in strategy.topic_weights.items())
    difficulty = f"{strategy.perceived_difficulty.value} ({strategy.difficulty_adjustment:+g})"
    return f"usable: {difficulty}, {strategy.sentiment}, {topics}"


def _why(failure: NoAnswer) -> str:
    status = [str(failure.status)] if failure.status else []
    details = [f"{name.removeprefix('error_')}={word}" for name, word in failure.details.items()]
    reason = " ".join([failure.reason.value, *status, *details])
    advice = ADVICE.get(failure.reason) or ADVICE_BY_STATUS.get(failure.status or 0, "")
    return f"not usable: {reason}. {advice}".rstrip()


def _say(name: str, text: str) -> None:
    print(f"{name:17} {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
