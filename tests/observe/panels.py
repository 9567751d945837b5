"""The queries of dashboards and alerts, and a Prometheus that answers them.

Dashboards break silently when a metric is renamed. So each query is run against a Prometheus that
scraped the real programs.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from dev.observe.programs import FILES

DASHBOARDS = sorted(FILES.glob("dashboards/*.json"))
RULES = sorted(file for file in FILES.glob("alerts/*.yml") if ".test." not in file.name)

# Grafana's own variables, for data of a minute or so.
BUILT_IN = {"__rate_interval": "1m", "__interval": "1m", "__range": "5m"}
VARIABLE = re.compile(r"\$\{?(\w+)(?::\w+)?\}?")
LABEL_VALUES = re.compile(r"label_values\((.+), *(\w+)\)")
THRESHOLD = re.compile(r"\s*(?:==|!=|[<>]=?)\s*-?\d[\d.]*(?:e[+-]?\d+)?")
OPERATOR = re.compile(r"\s+(?:and|or|unless)(?:\s+(?:on|ignoring)\s*\([^)]*\))?\s+")


@dataclass(frozen=True)
class Query:
    """An expression, and where it is from."""

    source: str
    expression: str


def of_dashboard(file: Path) -> Iterator[Query]:
    """The queries of all panels and variables, with a value for each variable."""
    dashboard = json.loads(file.read_text(encoding="utf-8"))
    for panel in _panels(dashboard["panels"]):
        for target in panel.get("targets", ()):
            yield Query(f"{file.stem}: {panel['title']}", _substituted(target["expr"]))
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            query = _substituted(variable["query"]["query"])
            metric, label = LABEL_VALUES.fullmatch(query).groups()  # type: ignore[union-attr]
            yield Query(f"{file.stem}: ${variable['name']}", f"group by ({label}) ({metric})")


def of_rules(file: Path) -> Iterator[Query]:
    """The operands of each alert, without the threshold that most of them do not reach."""
    for rule in alerts(file):
        for operand in OPERATOR.split(rule["expr"]):
            expression = re.sub(r"absent\((.+)\)", r"\1", THRESHOLD.sub("", operand))
            yield Query(f"{file.stem}: {rule['alert']}", expression)


def alerts(file: Path) -> Iterator[Mapping[str, Any]]:
    """The alert rules of a file."""
    for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]:
        yield from (rule for rule in group["rules"] if "alert" in rule)


def _panels(panels: list[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """All panels, also those in a collapsed row."""
    for panel in panels:
        yield panel
        yield from _panels(panel.get("panels", []))


def _substituted(expression: str) -> str:
    """A variable of the dashboard becomes what Grafana puts in for all of its values."""
    return VARIABLE.sub(lambda found: BUILT_IN.get(found[1], ".*"), expression)


@dataclass(frozen=True)
class Api:
    """Prometheus's HTTP API."""

    url: str

    def values(self, expression: str) -> list[float]:
        """The numbers of the result, without NaN. Raises AssertionError for a wrong expression."""
        answer = httpx.get(f"{self.url}/api/v1/query", params={"query": expression}, timeout=30)
        assert answer.status_code == 200, f"{expression}: {answer.text}"
        result = answer.json()["data"]["result"]
        found = [float(series["value"][1]) for series in result]
        return [value for value in found if not math.isnan(value)]
