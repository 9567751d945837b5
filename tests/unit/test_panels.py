"""How tests/observe reads the queries of dashboards and alerts."""

import json
from pathlib import Path

import pytest

from tests.observe.panels import Query, of_dashboard, of_rules

GROUP = {"name": "group", "type": "query", "query": {"query": "label_values(members, group)"}}


def panel(title: str, *expressions: str) -> dict[str, object]:
    return {"title": title, "targets": [{"expr": expression} for expression in expressions]}


def test_panels_of_a_collapsed_row_and_variables_are_read(tmp_path: Path) -> None:
    file = tmp_path / "any.json"
    row = {"title": "row", "panels": [panel("inner", 'lag{group=~"$group"}')]}
    rate = panel("outer", "rate(events[$__rate_interval])", "up")
    variables = {"list": [{"name": "datasource", "type": "datasource"}, GROUP]}
    file.write_text(json.dumps({"panels": [rate, row], "templating": variables}))
    assert [*of_dashboard(file)] == [
        Query("any: outer", "rate(events[1m])"),
        Query("any: outer", "up"),
        Query("any: inner", 'lag{group=~".*"}'),
        Query("any: $group", "group by (group) (members)"),
    ]


@pytest.mark.parametrize(
    ("expression", "operands"),
    [
        ('up{job="any"} == 0', ['up{job="any"}']),
        ("rate(errors[5m]) / rate(all[5m]) > 1e-2", ["rate(errors[5m]) / rate(all[5m])"]),
        ("behind > 50e6 and on (slot) deriv(behind[15m]) > -1.5", ["behind", "deriv(behind[15m])"]),
        ("up == 0 or absent(up)", ["up", "up"]),
        ('lag{group!="0"} >= 5', ['lag{group!="0"}']),
    ],
)
def test_an_alert_is_read_without_its_thresholds(
    tmp_path: Path, expression: str, operands: list[str]
) -> None:
    file = tmp_path / "any.yml"
    file.write_text(json.dumps({"groups": [{"rules": [{"alert": "A", "expr": expression}]}]}))
    assert [query.expression for query in of_rules(file)] == operands
