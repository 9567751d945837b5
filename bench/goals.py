"""The goals of the function, most of them as ratios to programs measured in the same run."""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import Literal

from bench import coldstart, events, throughput
from bench.coldstart import Starts
from bench.contenders import Sample
from bench.events import Events
from bench.footprint import Footprints
from bench.output import table
from bench.throughput import Throughput

# The function's rate / the Go service's, by the number of connections.
RATES = {1: 1.0, 8: 1.3, 32: 2.3, 128: 2.3}


@dataclass(frozen=True, slots=True)
class Goal:
    """A limit, and the measured figure."""

    what: str
    bound: Literal["at least", "at most"]
    limit: float
    measured: float

    @property
    def reached(self) -> bool:
        """Whether the measured figure, unrounded, is within the limit."""
        if self.bound == "at least":
            return self.measured >= self.limit
        return self.measured <= self.limit


def of_throughput(found: Throughput) -> Iterator[Goal]:
    """The goals whose contenders and numbers of connections were measured."""
    own, go, pgbench = (
        {number: throughput.middle(samples) for number, samples in found.get(name, {}).items()}
        for name in ("function", "go", "pgbench")
    )
    for number, limit in RATES.items():
        if number in go:
            ratio = own[number].rate / go[number].rate
            yield Goal(f"rate at {number} / Go's", "at least", limit, ratio)
    if 32 in own:
        yield Goal("rate at 32 / pgbench's", "at least", 0.7, own[32].rate / pgbench[32].rate)
    if 32 in go:
        yield Goal("CPU per request at 32 / Go's", "at most", 0.3, _cpu(own[32]) / _cpu(go[32]))
        yield Goal("p99 at 32 / Go's", "at most", 0.6, own[32].p99 / go[32].p99)


def of_starts(found: Starts) -> Iterator[Goal]:
    """The goals of the cold start."""
    ratio = coldstart.middle(found["function"]) / coldstart.middle(found["bare hello"])
    yield Goal("cold start / bare hello's", "at most", 0.85, ratio)
    pairs = zip(found["until ready, with a model"], found["until ready"], strict=True)
    more = median(with_model.wall - stub.wall for with_model, stub in pairs)
    yield Goal("ms until ready that a model costs", "at most", 80, more)


def of_footprints(found: Footprints) -> Iterator[Goal]:
    """The goal of the memory, in megabytes."""
    yield Goal("RSS in MB after 1,000 requests", "at most", 40, found["function"])


def of_events(found: Events) -> Iterator[Goal]:
    """The goals of the events, compared with Debezium's defaults."""
    own, other = events.middle(found["deployed"]), events.middle(found["defaults"])
    p50, p99 = own.latency.p50 / other.latency.p50, own.latency.p99 / other.latency.p99
    yield Goal("commit to consumer, p50 / defaults'", "at most", 0.1, p50)
    yield Goal("commit to consumer, p99 / defaults'", "at most", 0.125, p99)
    yield Goal("events/s of a backlog", "at least", 10_000, own.backlog.rate)


def _cpu(sample: Sample) -> float:
    return sample.cpu["program"] + sample.cpu["postgresql"]


def render(goals: list[Goal]) -> str:
    """The table of the goals, reached or missed."""
    rows = [
        [
            goal.what,
            f"{goal.bound} {goal.limit:g}",
            f"{goal.measured:.2f}",
            "reached" if goal.reached else "missed",
        ]
        for goal in goals
    ]
    return table(["goal", "limit", "measured", ""], rows)
