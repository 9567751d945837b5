"""What the function is to reach, as ratios to what else was measured in the same run."""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import Literal

from bench import coldstart, events, throughput
from bench.coldstart import Starts
from bench.contenders import Sample
from bench.events import Events
from bench.footprint import Footprints
from bench.table import table
from bench.throughput import Throughput


@dataclass(frozen=True, slots=True)
class Goal:
    """A limit, and what was measured."""

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
    """The goals whose numbers of connections were measured."""

    def at(name: str, connections: int) -> Sample:
        return throughput.middle(found[name][connections])

    numbers = found["function"].keys()
    if 32 in numbers:
        rate = at("function", 32).rate
        yield Goal("rate at 32 / stock's", "at least", 5, rate / at("stock", 32).rate)
        yield Goal("rate at 32 / pgbench's", "at least", 0.9, rate / at("pgbench", 32).rate)
    if {32, 128} <= numbers:
        yield Goal("rate at 128 / at 32", "at least", 0.9, at("function", 128).rate / rate)
    if 1 in numbers:
        ratio = at("function", 1).p50 / at("stock", 1).p50
        yield Goal("p50 at 1 / stock's", "at most", 0.65, ratio)


def of_starts(found: Starts) -> Iterator[Goal]:
    """The goals of the cold start."""
    own = coldstart.middle(found["function"])
    for other, limit in {"stock": 0.65, "bare hello": 1.0}.items():
        ratio = own / coldstart.middle(found[other])
        yield Goal(f"cold start / {other}'s", "at most", limit, ratio)
    pairs = zip(found["until ready, with a model"], found["until ready"], strict=True)
    more = median(with_model.wall - stub.wall for with_model, stub in pairs)
    yield Goal("ms until ready that a model costs", "at most", 80, more)


def of_footprints(found: Footprints) -> Iterator[Goal]:
    """The goal of the memory, in megabytes."""
    yield Goal("RSS in MB", "at most", 60, found["function"].rss)


def of_events(found: Events) -> Iterator[Goal]:
    """The goals of the events, beside Debezium with its defaults."""
    own, other = events.middle(found["deployed"]), events.middle(found["defaults"])
    p50, p99 = own.latency.p50 / other.latency.p50, own.latency.p99 / other.latency.p99
    yield Goal("commit to consumer, p50 / defaults'", "at most", 0.1, p50)
    yield Goal("commit to consumer, p99 / defaults'", "at most", 0.125, p99)
    yield Goal("events/s of a backlog", "at least", 10_000, own.backlog.rate)


def render(goals: list[Goal]) -> str:
    """The table: a missed goal is said, and fails nothing."""
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
