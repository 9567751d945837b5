"""Runs many simulations of the store.

make simulate                             runs 10,000 seeds
make simulate ARGS="--seeds 300"          runs fewer
make simulate ARGS="--seed 7"             runs one, and prints all that happens
"""

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from tests.simulation.run import Simulation

LAST_EVENTS = 40  # of a run that failed


def failure(seed: int, events: int = LAST_EVENTS) -> str:
    """Run a seed; return what went wrong and what happened before, or nothing."""
    simulation = Simulation(seed)
    try:
        simulation.run()
    except BaseException as exc:  # noqa: BLE001 - any is a failure of this seed
        trace = "\n".join(simulation.trace[-events:])
        again = f'make simulate ARGS="--seed {seed}" prints all of it'
        return f"{trace}\nseed {seed}: {_describe(exc)} ({again})"
    return ""


def _describe(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, help="run this one, and print all that happens")
    parser.add_argument("--seeds", type=int, default=10_000, help="run so many")
    parser.add_argument("--first", type=int, default=0, help="begin with this one")
    options = parser.parse_args()
    if options.seed is not None:
        sys.exit(run_one(options.seed))
    sys.exit(run_many(range(options.first, options.first + options.seeds)))


def run_one(seed: int) -> int:
    simulation = Simulation(seed)
    try:
        simulation.run()
    finally:
        print(*simulation.trace, sep="\n")
    return 0


def run_many(seeds: range) -> int:
    """Print failures as they come; return how many there are, at most 1."""
    begun = time.monotonic()
    failures = 0
    with ProcessPoolExecutor() as pool:
        for text in filter(None, pool.map(failure, seeds, chunksize=10)):
            failures += 1
            print(text, end="\n\n", flush=True)
    print(f"{len(seeds)} runs, {failures} failed, {time.monotonic() - begun:.0f} s")
    return min(failures, 1)


if __name__ == "__main__":
    main()
