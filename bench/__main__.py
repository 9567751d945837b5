"""`make bench`: measure, then print the tables. A missed goal is reported, but is no failure."""

import json
import os
import platform
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from types import FrameType

from bench import coldstart, events, footprint, goals, throughput, volume, wrk
from bench.database import Database, started
from bench.goals import Goal
from bench.options import Options, parse
from bench.output import BenchFailure
from dev.initdb import PostgresError
from dev.kafka import ProgramError
from dev.kafka.jars import DownloadError

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
FAILURES = (BenchFailure, PostgresError, ProgramError, DownloadError)


@dataclass(frozen=True, slots=True)
class Part:
    """The result of one part of the measurements: all samples, their table, and the goals."""

    found: object
    table: str
    goals: Sequence[Goal]


def main() -> int:
    """Return 1 when something could not be measured, 130 when the user stopped it."""
    options = parse(sys.argv[1:])
    if {"throughput", "volume"} & {*options.parts} and not wrk.is_installed():
        print(wrk.HOW_TO_INSTALL, file=sys.stderr)
        return 1
    for number in STOP_SIGNALS:
        signal.signal(number, _stop)
    try:
        with started() as database:
            _report(_head(database, options), _measure(database, options), options)
    except FAILURES as exc:
        print(exc, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _measure(database: Database, options: Options) -> dict[str, Part]:
    parts: dict[str, Callable[[Database, Options], Part]] = {
        "throughput": _throughput,
        "cold": _cold,
        "memory": _memory,
        "events": _events,
        "volume": _volume,
    }
    return {name: parts[name](database, options) for name in options.parts}


def _throughput(database: Database, options: Options) -> Part:
    found = throughput.measure(database, options.connections, options.rounds, options.seconds)
    return Part(found, throughput.render(found), [*goals.of_throughput(found)])


def _cold(database: Database, options: Options) -> Part:
    found = coldstart.measure(database, options.starts)
    return Part(found, coldstart.render(found), [*goals.of_starts(found)])


def _memory(database: Database, _options: Options) -> Part:
    found = footprint.measure(database)
    return Part(found, footprint.render(found), [*goals.of_footprints(found)])


def _events(database: Database, options: Options) -> Part:
    found = events.measure(database, options.rounds, options.steady, options.rows)
    return Part(found, events.render(found), [*goals.of_events(found)])


def _volume(database: Database, options: Options) -> Part:
    found = volume.measure(database, options.seconds)
    return Part(found, volume.render(found), [])


def _head(database: Database, options: Options) -> str:
    machine = (
        f"{os.cpu_count()} cores, Python {platform.python_version()}, PostgreSQL {database.version}"
    )
    extent = {
        "throughput": f"medians of {options.rounds} rounds of {options.seconds} s each",
        "cold": f"medians of {options.starts} cold starts",
        "memory": "memory once",
        "events": (
            f"medians of {options.rounds} rounds of {options.rows:,} events before "
            f"and {options.steady} s of them after Debezium's start"
        ),
        "volume": f"bytes over {options.seconds} s each, once",
    }
    return "; ".join([machine, *(extent[part] for part in options.parts)])


def _report(head: str, parts: dict[str, Part], options: Options) -> None:
    aims = [goal for part in parts.values() for goal in part.goals]
    tables = [*(part.table for part in parts.values()), *([goals.render(aims)] if aims else [])]
    print("\n\n".join([head, *tables]))
    if options.json:
        found = {name: part.found for name, part in parts.items()}
        kept = json.dumps({"head": head, **found, "goals": aims}, default=_plain, indent=1)
        options.json.write_text(f"{kept}\n")


def _plain(value: object) -> object:
    assert is_dataclass(value)
    assert not isinstance(value, type)
    return asdict(value)


def _stop(_number: int, _frame: FrameType | None) -> None:
    """Leave all `with` blocks, which end the programs; ignore a second Ctrl-C meanwhile."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
