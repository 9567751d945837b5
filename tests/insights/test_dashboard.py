"""The dashboard for teachers: each panel's SQL, as its role runs it, on the made-up school year."""

import json
import re
from contextlib import closing
from typing import Any

import pytest

from dev import demo
from tests.conftest import open_connection, select
from tests.instance import ROOT

pytestmark = pytest.mark.insights

DASHBOARD = json.loads((ROOT / "deploy/insights/dashboards/teachers.json").read_text("utf-8"))
PANELS = DASHBOARD["panels"]
FIRST, LAST = f"'{demo.FIRST_DAY}T00:00:00Z'", f"'{demo.LAST_DAY}T00:00:00Z'"


def expanded(sql: str) -> str:
    """Replace Grafana's macros as its PostgreSQL data source does.

    https://grafana.com/docs/grafana/latest/datasources/postgres/query-editor/#macros
    """
    sql = re.sub(r"\$__timeFilter\((\w+)\)", rf"\1 BETWEEN {FIRST} AND {LAST}", sql)
    return sql.replace("$__timeFrom()", FIRST).replace("$__timeTo()", LAST)


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_has_data(panel: dict[str, Any], year: str) -> None:
    [target] = panel["targets"]
    with closing(open_connection(year)) as connection:
        connection.run("SET SESSION AUTHORIZATION mentor_reader")
        rows = select(connection, expanded(target["rawSql"]))
    assert rows
    assert all(value is not None for row in rows for value in row.values())
    if target["format"] == "time_series":
        times = [row["time"] for row in rows]
        assert times == sorted(set(times))
    if panel["title"] == "The hardest tasks":
        assert rows[0]["name"] == demo.BROKEN_TASK


def test_panels_ask_the_data_source_that_is_chosen() -> None:
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    for panel in PANELS:
        for part in (panel, *panel["targets"]):
            assert part["datasource"]["uid"] == "${datasource}"
