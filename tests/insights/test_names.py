"""Names of tasks and topics in charts and tables: requests may have any."""

import csv
import re
from datetime import date
from xml.etree import ElementTree

import pytest

from insights import charts
from insights.data import Group, Report
from insights.periods import Period
from insights.statistics import share
from insights.tables import as_csv

pytestmark = pytest.mark.insights


def group_of(name: str) -> Group:
    return Group(name, 10, 1, 1, 8, share(8, 10), None)


@pytest.mark.parametrize(
    "name", ["$5 and $6", r"$\foo$", "a\x01b", "\ufffe", "two\nlines", "分数", ""]
)
def test_a_chart_shows_any_name(name: str) -> None:
    svg = charts.shares([group_of(name)], charts.THEMES["light"])
    text = "".join(ElementTree.fromstring(svg).itertext())  # noqa: S314 - our own
    for shown in re.sub("[^ -~]", " ", name).split():
        assert shown in text


@pytest.mark.parametrize("start", ["", ";", "x;", "x\n"])
@pytest.mark.parametrize("formula", ["=1", "+1", "-1", "@A1", "\uff1d1"])
def test_no_cell_of_a_spreadsheet_begins_a_formula(start: str, formula: str) -> None:
    group = group_of(f"{start}{formula};")
    report = Report(
        *(Period(date(2026, 3, 2), "week"), "UTC", [], group, [group], [], 0, 0, {}, 0, 0)
    )
    for separator in ",;":
        rows = csv.reader(as_csv(report).splitlines(keepends=True), delimiter=separator)
        assert not any(cell.startswith(formula) for row in rows for cell in row)
