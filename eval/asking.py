"""Asks the provider as the function does, with its own prompt, client and parser."""

import asyncio
import time
from collections.abc import Sequence
from uuid import UUID

from bench.output import say
from eval.examples import Example
from eval.run import Answer, Reading
from function.feedback import Feedback, Strategy
from function.llm.model import Model
from function.llm.outcome import NoAnswer, Reason, Usage
from function.llm.settings import LlmSettings

STUDENT = UUID("550e8400-e29b-41d4-a716-446655440000")  # no model gets to see it
PROGRESS = 10  # answers between two lines


async def ask_all(
    settings: LlmSettings, examples: Sequence[Example], concurrency: int
) -> Sequence[Answer]:
    """Ask about each example, so many at a time, and say how far it is.

    Without the function's circuit breaker, which would answer for the provider.
    """
    model = Model(settings)
    gate = asyncio.Semaphore(concurrency)
    found: list[Answer] = []

    async def ask(example: Example) -> Answer:
        async with gate:
            found.append(answer := await _ask(model, example))
        _report(found, len(examples))
        return answer

    try:
        return await asyncio.gather(*map(ask, examples))
    finally:
        await model.close()


async def _ask(model: Model, example: Example) -> Answer:
    started = time.perf_counter()
    reading, failure = None, None
    try:
        strategy, usage, attempts = await model.ask(
            Feedback(STUDENT, example.task_id, example.message)
        )
        reading = _reading(strategy)
    except NoAnswer as exc:
        failure, usage, attempts = _describe(exc), exc.usage, exc.attempts
    seconds = time.perf_counter() - started
    return Answer(example.id, seconds, attempts, reading, failure, *_counted(usage))


def _reading(strategy: Strategy) -> Reading:
    return Reading(strategy.perceived_difficulty.value, strategy.sentiment, strategy.topic_weights)


def _describe(failure: NoAnswer) -> str:
    if failure.reason is Reason.STATUS:
        return f"HTTP {failure.status}"
    return str(failure.reason.value)


def _counted(usage: Usage) -> tuple[int | None, int | None]:
    """The client takes 0 for what it was not told; no message is read for nothing."""
    return usage.input_tokens or None, usage.output_tokens or None


def _report(found: Sequence[Answer], count: int) -> None:
    if len(found) % PROGRESS == 0 or len(found) == count:
        fallbacks = sum(answer.reading is None for answer in found)
        say(f"{len(found)} of {count} asked" + (f", fallbacks: {fallbacks}" if fallbacks else ""))
