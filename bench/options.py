"""The command line of `make bench`."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PARTS = ("throughput", "cold", "memory", "events", "volume")


@dataclass(frozen=True, slots=True)
class Options:
    """What to measure and how often.

    `seconds` is the length of each measurement of throughput, `steady` that of each measurement of
    the events' latency; `rows` is the size of each backlog.
    """

    parts: Sequence[str]
    connections: Sequence[int]
    rounds: int
    seconds: int
    starts: int
    steady: int
    rows: int
    json: Path | None


def parse(arguments: Sequence[str]) -> Options:
    """Read the command line, or exit with an error message."""
    given = _parser().parse_args(arguments)
    return Options(
        parts=given.only or PARTS,
        connections=given.connections,
        rounds=given.rounds or (1 if given.quick else 3),
        seconds=given.seconds or (1 if given.quick else 7),
        starts=3 if given.quick else 20,
        steady=given.seconds or (5 if given.quick else 20),
        rows=given.rows or (10_000 if given.quick else 100_000),
        json=given.json,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("--only", nargs="+", choices=PARTS, help="measure these parts only")
    parser.add_argument(
        "--connections", type=_numbers, default="1,8,32,128", help="default: %(default)s"
    )
    parser.add_argument("--rounds", type=_number, help="of throughput and events; default: 3")
    parser.add_argument("--seconds", type=_number, help="of each round; default: 7, events 20")
    parser.add_argument("--rows", type=_number, help="of each backlog of events; default: 100000")
    parser.add_argument("--quick", action="store_true", help="1 round, of less; 3 cold starts")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep all samples there")
    return parser


def _number(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _numbers(text: str) -> list[int]:
    return [_number(part) for part in text.split(",")]
