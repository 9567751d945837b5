"""Asks the provider with the function's own prompt, client and parser."""

import asyncio
import time
from collections.abc import Sequence
from uuid import UUID

from bench.output import say
from eval.examples import Example
from eval.run import Answer, Reading
from function.domain import Concern, Feedback, Strategy
from function.llm.model import Model
from function.llm.outcome import NoAnswer, Reason, Usage
from function.llm.questions import excerpt
from function.llm_settings import LlmSettings

STUDENT = UUID("550e8400-e29b-41d4-a716-446655440000")  # not sent to the model
PROGRESS = 10  # answers per progress line


async def ask_all(
    settings: LlmSettings, examples: Sequence[Example], concurrency: int
) -> Sequence[Answer]:
    """Ask about each example, `concurrency` at a time, and print progress.

    The function's circuit breaker takes no part, because it would answer instead of the provider.
    """
    model = Model(settings)
    gate = asyncio.Semaphore(concurrency)
    found: list[Answer] = []

    async def ask(example: Example) -> Answer:
        async with gate:
            found.append(answer := await _ask(model, example, settings.message_limit))
        _report(found, len(examples))
        return answer

    try:
        return await asyncio.gather(*map(ask, examples))
    finally:
        await model.close()


async def _ask(model: Model, example: Example, limit: int) -> Answer:
    started = time.perf_counter()
    reading, failure = None, None
    repairs: tuple[str, ...] = ()
    noticed = Concern.UNASSESSED
    try:
        message = excerpt(example.message, limit)
        answer = await model.ask(Feedback(STUDENT, example.task_id, message))
        reading, usage, attempts = _reading(answer.strategy), answer.usage, answer.attempts
        repairs = answer.repairs
    except NoAnswer as exc:
        failure, usage, attempts = _describe(exc), exc.usage, exc.attempts
        noticed = exc.concern
    seconds = time.perf_counter() - started
    counted = _counted(usage)
    return Answer(example.id, seconds, attempts, reading, failure, *counted, repairs, noticed.value)


def _reading(strategy: Strategy) -> Reading:
    return Reading(
        difficulty=strategy.perceived_difficulty.value,
        sentiment=strategy.sentiment,
        topics=strategy.topic_weights,
        adjustment=_direction(strategy.difficulty_adjustment),
        concern=strategy.concern.value,
    )


def _direction(adjustment: float) -> str:
    if adjustment == 0:
        return "same"
    return "harder" if adjustment > 0 else "easier"


def _describe(failure: NoAnswer) -> str:
    if failure.reason is Reason.STATUS:
        return f"HTTP {failure.status}"
    return str(failure.reason.value)


def _counted(usage: Usage) -> tuple[int | None, int | None]:
    """The client reports 0 for unknown counts; a real answer never takes 0 tokens."""
    return usage.input_tokens or None, usage.output_tokens or None


def _report(found: Sequence[Answer], count: int) -> None:
    if len(found) % PROGRESS == 0 or len(found) == count:
        fallbacks = sum(answer.reading is None for answer in found)
        say(f"{len(found)} of {count} asked" + (f", fallbacks: {fallbacks}" if fallbacks else ""))
