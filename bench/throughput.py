"""Rates, latencies and CPU of the contenders, measured in turn."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from statistics import median

from bench.contenders import Contender, HttpContender, PgbenchContender, Sample
from bench.database import Database
from bench.output import say, table
from bench.server import services

# Samples by contender, then by number of connections.
Throughput = Mapping[str, Mapping[int, Sequence[Sample]]]

LEGEND = """\
CPU is in microseconds per request: of the program, of PostgreSQL, and of the load tool (wrk, or
pgbench itself). Percentiles are corrected for coordinated omission."""
HEADER = ["connections", "", "requests/s", "p50 ms", "p99 ms"]
CPU = {"program": "CPU us: program", "postgresql": "PostgreSQL", "client": "client"}


def measure(
    database: Database, connections: Sequence[int], rounds: int, seconds: float
) -> Throughput:
    """Measure each contender at each number of connections, once per round."""
    with ExitStack() as stack:
        contenders: dict[str, Contender] = {
            name: HttpContender(command, database, stack) for name, command in services().items()
        }
        contenders["pgbench"] = PgbenchContender(database)
        samples = {name: {number: list[Sample]() for number in connections} for name in contenders}
        for turn in range(rounds):
            for number in connections:
                for name, contender in contenders.items():
                    sample = contender.measure(number, seconds)
                    samples[name][number].append(sample)
                    say(f"round {turn + 1}, {number} connections, {name}: {sample.rate:,.0f}/s")
        return samples


def middle(samples: Sequence[Sample]) -> Sample:
    """The median of each figure."""
    return Sample(
        rate=median(sample.rate for sample in samples),
        p50=median(sample.p50 for sample in samples),
        p99=median(sample.p99 for sample in samples),
        cpu={who: median(sample.cpu[who] for sample in samples) for who in samples[0].cpu},
    )


def render(throughput: Throughput) -> str:
    """The table: all contenders for each number of connections."""
    rows = [
        [str(number), name, *_figures(middle(throughput[name][number]))]
        for number in throughput["function"]
        for name in throughput
    ]
    return f"{LEGEND}\n\n" + table([*HEADER, *CPU.values()], rows)


def _figures(sample: Sample) -> list[str]:
    cpu = [f"{sample.cpu[who]:.0f}" if who in sample.cpu else "-" for who in CPU]
    return [f"{sample.rate:,.0f}", f"{sample.p50:.2f}", f"{sample.p99:.2f}", *cpu]
