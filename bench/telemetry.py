"""What metrics and traces cost: `python -m bench.telemetry`.

Each variant is a function of its own. They take turns, and each figure is a ratio to the first one
in the same round, because the machine's speed changes between rounds.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from bench import coldstart, payload
from bench.coldstart import Start, Starter
from bench.contenders import HttpContender, Sample
from bench.database import Database, started
from bench.output import say, table
from bench.server import FUNCTION, Command
from dev.http_server import Request, serving
from dev.ports import HOST

CONNECTIONS = 32


def _forget(request: Request) -> None:
    """Take what a collector takes."""
    request.body()
    request.answer()


def _variants(sink: str, before: Path | None) -> Mapping[str, Command]:
    """The first one is what the others are compared with."""
    otlp = ["env", f"OTEL_EXPORTER_OTLP_ENDPOINT={sink}", "OTEL_TRACES_SAMPLER=traceidratio"]
    traced = {
        f"traces of {ratio:.0%}, metrics": [*otlp, f"OTEL_TRACES_SAMPLER_ARG={ratio}", *FUNCTION]
        for ratio in (0.01, 0.1, 1.0)
    }
    older: dict[str, Command] = {"before": ["env", "-C", before, *FUNCTION]} if before else {}
    return {**older, "off": FUNCTION, "METRICS=on": ["env", "METRICS=on", *FUNCTION], **traced}


def _measure_rates(
    database: Database, variants: Mapping[str, Command], rounds: int, seconds: float
) -> dict[str, list[Sample]]:
    samples: dict[str, list[Sample]] = {name: [] for name in variants}
    with ExitStack() as stack:
        contenders = {
            name: HttpContender(command, database, stack) for name, command in variants.items()
        }
        for turn in range(rounds):
            for name, contender in contenders.items():
                samples[name].append(contender.measure(CONNECTIONS, seconds))
                say(f"round {turn + 1}, {name}: {samples[name][-1].rate:,.0f}/s")
    return samples


def _measure_starts(
    database: Database, variants: Mapping[str, Command], count: int
) -> dict[str, list[Start]]:
    starters = {name: Starter(command, payload.post(), 1) for name, command in variants.items()}
    for starter in starters.values():  # writes bytecode, and loads files into the cache
        coldstart.start(database, starter)
    starts: dict[str, list[Start]] = {name: [] for name in variants}
    for turn in range(count):
        for name, starter in starters.items():
            starts[name].append(coldstart.start(database, starter))
        say(f"cold start {turn + 1} of {count}")
    return starts


def _middle(found: Sequence[float], first: Sequence[float]) -> float:
    return median(own / other for own, other in zip(found, first, strict=True))


def _rows(
    samples: Mapping[str, Sequence[Sample]], starts: Mapping[str, Sequence[Start]]
) -> Iterator[list[str]]:
    rates = {name: [one.rate for one in found] for name, found in samples.items()}
    cpus = {name: [one.cpu["program"] for one in found] for name, found in samples.items()}
    first = next(iter(samples))
    for name in samples:
        longer = [
            own.wall - other.wall for own, other in zip(starts[name], starts[first], strict=True)
        ]
        yield [
            name,
            f"{median(rates[name]):,.0f}",
            f"{_middle(rates[name], rates[first]):.2f}",
            f"{median(cpus[name]):.0f}",
            f"{_middle(cpus[name], cpus[first]):.2f}",
            f"{median(one.wall for one in starts[name]):.0f}",
            f"{median(longer):+.0f}",
            f"{median(one.cpu for one in starts[name]):.0f}",
        ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.telemetry")
    parser.add_argument("--rounds", type=int, default=9, help="default: 9")
    parser.add_argument("--seconds", type=int, default=5, help="of each round; default: 5")
    parser.add_argument("--starts", type=int, default=20, help="cold starts; default: 20")
    parser.add_argument("--before", type=Path, help="another checkout to compare with")
    options = parser.parse_args(sys.argv[1:])
    with serving(_forget) as port, started() as database:
        sink = f"http://{HOST}:{port}"
        variants = _variants(sink, options.before)
        samples = _measure_rates(database, variants, options.rounds, options.seconds)
        starts = _measure_starts(database, variants, options.starts)
    header = ["", "requests/s", "ratio", "CPU us", "ratio", "cold start ms", "longer", "CPU ms"]
    print(table(header, [*_rows(samples, starts)]))


if __name__ == "__main__":
    main()
