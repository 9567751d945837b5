"""The dashboard and the alerts of the service name metrics and labels that exist."""

import json
import re
from collections.abc import Iterator

import yaml

from function.metrics import Metric
from function.telemetry.prometheus import Metrics
from tests.instance import ROOT

FILES = ROOT / "deploy/observe"
GROUPS = yaml.safe_load((FILES / "alerts/service.yml").read_text(encoding="utf-8"))["groups"]
RULES = [rule for group in GROUPS for rule in group["rules"]]
SUFFIXES = {"histogram": ("_bucket", "_count", "_sum"), "counter": ("_total",)}
ADDED = {"job", "instance", "le", "__name__"}  # by Prometheus


def metrics() -> dict[str, set[str]]:
    """The labels of each metric, by Prometheus' name."""
    names = [family.name for family in Metrics().collect()]
    return {
        name + suffix: {label.replace(".", "_") for label in one.label_names} | ADDED
        for name, one in zip(names, Metric.every, strict=True)
        for suffix in SUFFIXES.get(one.kind, ("",))
    }


def expressions() -> Iterator[str]:
    """All of the dashboard and of the rules."""
    dashboard = json.loads((FILES / "dashboards/service.json").read_text(encoding="utf-8"))
    for panel in dashboard["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))
    yield from (rule["expr"] for rule in RULES)


def test_each_metric_and_label_exists() -> None:
    known = {**metrics(), "up": ADDED, "": ADDED}
    recorded = {rule["record"] for rule in RULES if "record" in rule}
    texts = list(expressions())
    assert len(texts) > 50
    for text in texts:
        assert set(re.findall(r"job:\w+:\w+", text)) <= recorded
        for name, labels in re.findall(r"([a-z_]*){(.*?)}", text):
            assert name in known, text
            assert set(re.findall(r'(\w+)(?:=~|!~|!=|=)"', labels)) <= known[name], text
        grouped = ", ".join(re.findall(r"by \((.*?)\)", text)).split(", ")
        assert set(grouped) <= set().union({""}, *known.values()), text
