"""From the start of a program to its first answer: a committed row, or that it is ready."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench import payload
from bench.database import Database
from bench.output import BenchFailure, say, table
from bench.processes import cpu_seconds
from bench.server import FUNCTION, HELLO, WITH_MODEL, Command, running, services


@dataclass(frozen=True, slots=True)
class Start:
    """One start: time on the clock, and user and system time, in milliseconds."""

    wall: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Starter:
    """A program, the request that it must answer, and the number of rows that this inserts."""

    command: Command
    request: bytes
    rows: int


Starts = Mapping[str, Sequence[Start]]


def measure(database: Database, count: int) -> Starts:
    """Start each program `count` times, in turn.

    One earlier start is not counted: it writes bytecode, and loads files into the cache.
    """
    starters = _starters()
    for starter in starters.values():
        start(database, starter)
    starts = {name: list[Start]() for name in starters}
    for turn in range(count):
        for name, starter in starters.items():
            starts[name].append(start(database, starter))
        say(f"cold start {turn + 1} of {count}")
    return starts


def middle(starts: Sequence[Start]) -> float:
    """The median time on the clock, in milliseconds."""
    return median(start.wall for start in starts)


def render(starts: Starts) -> str:
    """The table: one line per program."""
    rows = [
        [
            name,
            *(f"{find(start.wall for start in found):.0f}" for find in (min, median, max)),
            f"{median(start.cpu for start in found):.0f}",
            f"{middle(starts['function']) / middle(found):.2f}",
        ]
        for name, found in starts.items()
    ]
    return table(
        ["cold start", "min ms", "median ms", "max ms", "CPU ms", "function's / its"], rows
    )


def _starters() -> Mapping[str, Starter]:
    return {
        **{name: Starter(command, payload.post(), 1) for name, command in services().items()},
        "until ready": Starter(FUNCTION, payload.get("/health/ready"), 0),
        "until ready, with a model": Starter(WITH_MODEL, payload.get("/health/ready"), 0),
        "bare hello": Starter(HELLO, payload.get("/"), 0),
    }


def start(database: Database, starter: Starter) -> Start:
    """Start it on an empty table, and end it after its first answer. Raises BenchFailure."""
    database.empty()
    before = time.perf_counter()
    with running(starter.command, database.url) as server:
        server.wait_for_answer(starter.request)
        wall, cpu = time.perf_counter() - before, cpu_seconds(server.pid)
        if (rows := database.count()) != starter.rows:
            raise BenchFailure(f"the first answer came with {rows} rows")
    return Start(wall * 1000, cpu * 1000)
