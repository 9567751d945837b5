"""A report as JSON and as CSV, with shares from 0 to 1."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

from insights.data import SMALLEST_GROUP, Group, Report

COLUMNS = (
    *("section", "period", "name", "answers", "easy", "ok", "hard"),
    *("hard_share", "hard_low", "hard_high", "change", "change_low", "change_high"),
)
# What a spreadsheet takes for a formula (OWASP, CSV injection), also after a semicolon, which parts
# the cells in countries with a decimal comma.
FORMULA = re.compile("(^|[;\t\r\n])(?=[=+@\uff1d\uff0b\uff0d\uff20\t\r\n-])")


def as_json(report: Report, quotes: Mapping[str, Sequence[str]]) -> str:
    """Return all of it; a group that is too small is null."""
    few = 0 < report.concerns < SMALLEST_GROUP
    concerns = f"1 to {SMALLEST_GROUP - 1}" if few else report.concerns
    told = {**asdict(report), "concerns": concerns, "quotes": quotes}
    return json.dumps(told, default=str, indent=2) + "\n"


def as_csv(report: Report) -> str:
    """Return a line for each period of the trend, each task and each topic that may be shown."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for section, period, group in _sections(report):
        change = group.change
        interval = (change.value, change.low, change.high) if change else ("", "", "")
        hard = group.hard_share
        name = _harmless(group.name)
        counts = (group.answers, group.easy, group.ok, group.hard)
        writer.writerow(
            (section, period, name, *counts, hard.value, hard.low, hard.high, *interval)
        )
    return buffer.getvalue()


def _sections(report: Report) -> Iterator[tuple[str, str, Group]]:
    for period, group in report.trend:
        if group:
            yield "trend", str(period.start), group
    start = str(report.period.start)
    for section, groups in (("task", report.tasks), ("topic", report.topics)):
        for group in groups:
            yield section, start, group


def _harmless(name: str) -> str:
    return FORMULA.sub(r"\1'", name)
