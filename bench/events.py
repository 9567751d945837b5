"""Debezium with the deployed settings and with its defaults, in turn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench import backlog, chain, latency, rows
from bench.backlog import Backlog
from bench.chain import VARIANTS, Chain
from bench.database import Database
from bench.latency import RATE, Latency
from bench.output import say, table

LEGEND = f"""\
Latency is from a row's commit to a consumer's poll(), at {RATE} rows/s. The backlog has one row per
transaction. Its rate uses Kafka's time of each event; its seconds go from Debezium's start to the
last event; its CPU is in microseconds per event, from when Debezium begins to read."""
HEADER = ["Debezium", "p50 ms", "p99 ms", "backlog events/s", "with start s"]
CPU = {"Debezium": "CPU us: Debezium", "PostgreSQL": "PostgreSQL", "Kafka": "Kafka"}


@dataclass(frozen=True, slots=True)
class Sample:
    """One start of Debezium: first the backlog, which warms it up, then the latency."""

    backlog: Backlog
    latency: Latency


Events = Mapping[str, Sequence[Sample]]


def measure(database: Database, rounds: int, seconds: float, count: int) -> Events:
    """Measure each variant once per round: a backlog of `count` rows, then the latency."""
    with chain.running(database, count) as running:
        samples = {name: list[Sample]() for name in VARIANTS}
        for turn in range(rounds):
            for name, overrides in VARIANTS.items():
                found = _sample(running, overrides, seconds, count)
                samples[name].append(found)
                say(f"events: round {turn + 1}, {name}: {_line(found)}")
        return samples


def middle(samples: Sequence[Sample]) -> Sample:
    """The median of each figure."""
    backlogs = [sample.backlog for sample in samples]
    return Sample(
        Backlog(
            median(found.rate for found in backlogs),
            median(found.seconds for found in backlogs),
            {who: median(found.cpu[who] for found in backlogs) for who in CPU},
        ),
        Latency(
            median(sample.latency.p50 for sample in samples),
            median(sample.latency.p99 for sample in samples),
        ),
    )


def render(events: Events) -> str:
    """The table: one line per variant."""
    lines = [[name, *_figures(middle(samples))] for name, samples in events.items()]
    return f"{LEGEND}\n\n" + table([*HEADER, *CPU.values()], lines)


def _sample(running: Chain, overrides: Mapping[str, str], seconds: float, count: int) -> Sample:
    running.database.empty()
    rows.insert(running.database, count)
    debezium = running.debezium(overrides)
    try:
        return Sample(backlog.measure(running, debezium, count), latency.measure(running, seconds))
    finally:
        debezium.stop()


def _figures(sample: Sample) -> list[str]:
    times = [f"{sample.latency.p50:.1f}", f"{sample.latency.p99:.1f}"]
    rates = [f"{sample.backlog.rate:,.0f}", f"{sample.backlog.seconds:.1f}"]
    return [*times, *rates, *(f"{sample.backlog.cpu[who]:.0f}" for who in CPU)]


def _line(sample: Sample) -> str:
    return (
        f"{sample.backlog.rate:,.0f} events/s, "
        f"p50 {sample.latency.p50:.1f} ms, p99 {sample.latency.p99:.1f} ms"
    )
