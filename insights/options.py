"""The arguments of `python -m insights`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path

LANGUAGES = tuple(json.loads(Path(__file__).with_name("languages.json").read_text("utf-8")))


class Options(argparse.Namespace):
    """What the command line says; a command has its own options only."""

    command: str
    timezone: str | None
    period: str
    since: date | None
    format: str
    language: str
    quotes: bool
    output: str


def parse(arguments: Sequence[str]) -> Options:
    """Read the arguments, or say on stderr what is wrong with them, and exit with code 2."""
    parser = argparse.ArgumentParser(prog="python -m insights")
    commands = parser.add_subparsers(dest="command", required=True)
    apply = commands.add_parser("apply", help="make the views; rerunnable")
    apply.add_argument("--timezone", help="of days, weeks and months: Europe/Berlin; at first UTC")
    commands.add_parser("roll-up", help="count the weeks before this one; run it each night")
    report = commands.add_parser("report", help="write a report for teachers")
    report.add_argument("--period", choices=("week", "month"), default="week")
    report.add_argument(
        "--from",
        dest="since",
        type=_day,
        metavar="DATE",
        help="a day of the period; default: the last whole one",
    )
    report.add_argument("--timezone", help="of days; default: that of `apply`")
    report.add_argument("--format", choices=("html", "csv", "json"), default="html")
    report.add_argument("--language", choices=LANGUAGES, default="en")
    report.add_argument("--quotes", action="store_true", help="also quote students' messages")
    report.add_argument(
        "--output",
        default="-",
        help="a file, or an address such as s3://bucket/{start}.html; - is stdout",
    )
    return parser.parse_args(arguments, Options())


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("must be a date such as 2026-03-02") from None
    if not 1900 <= day.year < 3000:  # `date` can't go far beyond the years 1 and 9999
        raise argparse.ArgumentTypeError("must be from 1900 to 2999")
    return day
