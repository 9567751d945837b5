"""A model that is slow, dead or lies."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import cycle
from pathlib import Path

from tests.chaos.deployment import Deployment, deployed, server
from tests.chaos.fault import Fault, Stage, prove
from tests.llm.conftest import llm_environ
from tests.llm.server import (
    GOOD,
    Behavior,
    Exchange,
    ModelServer,
    answers,
    replies,
    reset,
    says,
    serving,
)

NEUTRAL = "SELECT count(*) FROM feedback WHERE NOT (strategy_snapshot->>'feedback_based')::boolean"
LIES = {**GOOD, "perceived_difficulty": "impossible", "difficulty_adjustment": 1e308, "topics": "x"}
_LIES = cycle([answers(LIES), says("The student loves it."), says('{"evidence": '), replies(200)])


async def lie(exchange: Exchange) -> None:
    """Answer with values that make no sense, in prose, not to the end, or with nothing."""
    await next(_LIES)(exchange)


BEHAVIORS: Mapping[str, Behavior] = {
    "model: slow": answers(after=10),  # and LLM_TIMEOUT is 2 seconds
    "model: dead": reset,
    "model: lying": lie,
}


def misbehave(model: ModelServer, behavior: Behavior, deployment: Deployment, hold: float) -> str:
    """Each feedback gets the neutral strategy."""
    [[before]] = deployment.run(NEUTRAL)
    model.behavior = behavior
    time.sleep(hold)
    model.behavior = answers()
    [[after]] = deployment.run(NEUTRAL)
    return prove(after > before, f"{after - before} rows have the neutral strategy")


@contextmanager
def staged(folder: Path) -> Iterator[Stage]:
    with (
        serving(answers()) as model,
        server() as postgres,
        deployed(
            postgres, folder, **llm_environ("openai", model.url, LLM_TIMEOUT="2")
        ) as deployment,
    ):
        faults = [
            Fault(name, partial(misbehave, model, behavior, deployment))
            for name, behavior in BEHAVIORS.items()
        ]
        yield Stage(deployment, faults)
