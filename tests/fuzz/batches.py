"""Runs hypothesis in batches, each with a seed of its own that finds a failure again."""

from collections.abc import Callable
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase, given
from hypothesis.strategies import SearchStrategy

SIZE = 200  # examples; hypothesis remembers all of a run, and so becomes slow
SETTINGS = hypothesis.settings(
    max_examples=SIZE,
    deadline=None,
    database=None,
    derandomize=False,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)


def run_batch(seed: int, examples: SearchStrategy[Any], check: Callable[[Any], None]) -> None:
    """Check SIZE examples; a failure is shrunk, and names the command that repeats it."""

    @hypothesis.seed(seed)
    @SETTINGS
    @given(examples)
    def check_all(example: Any) -> None:
        try:
            check(example)
        except BaseException as exc:
            exc.add_note(f"The example is {example!r}")
            raise

    try:
        check_all()
    except BaseException as exc:
        exc.add_note(f"Repeat it with the same -k and --seed {seed}.")
        raise
