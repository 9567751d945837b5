"""deploy/observe: its files fit each other, compose.yaml and the runbook."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from dev.observe.collector import SOURCES
from tests.deploy.test_compose import SERVICES, variables
from tests.instance import ROOT
from tests.observe.panels import DASHBOARDS, RULES, alerts
from tests.unit.test_documents import is_broken

OBSERVE = ROOT / "deploy/observe"
PROMETHEUS: Mapping[str, Any] = yaml.safe_load((OBSERVE / "prometheus.yml").read_text("utf-8"))
COLLECTOR: Mapping[str, Any] = yaml.safe_load((OBSERVE / "collector.yaml").read_text("utf-8"))


@pytest.mark.parametrize("file", RULES, ids=lambda file: file.stem)
def test_runbook(file: Path) -> None:
    """Each alert has a severity, a summary, and an entry of the runbook."""
    for alert in alerts(file):
        assert alert["labels"]["severity"] in {"critical", "warning"}
        assert alert["annotations"].keys() == {"summary", "runbook"}
        link = alert["annotations"]["runbook"]
        assert link.startswith("docs/operations.md#")
        assert not is_broken(ROOT / "any", link), link


def test_rules() -> None:
    """Prometheus reads all rules."""
    assert PROMETHEUS["rule_files"] == [f"alerts/{file.name}" for file in RULES]


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_dashboard(file: Path) -> None:
    """Each panel has an id of its own, and asks the data source that the reader chose."""
    dashboard = json.loads(file.read_text(encoding="utf-8"))
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert dashboard["templating"]["list"][0]["name"] == "datasource"
    for panel in panels:
        for part in (panel, *panel["targets"]):
            assert part["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


def test_targets() -> None:
    """Prometheus scrapes services of compose.yaml, at the ports that they have."""
    targets = {
        job["job_name"]: job["static_configs"][0]["targets"] for job in PROMETHEUS["scrape_configs"]
    }
    port = COLLECTOR["exporters"]["prometheus"]["endpoint"].rpartition(":")[2]
    assert targets == {
        "postgres": ["postgres-exporter:9187"],
        "debezium": [f"debezium:{variables('debezium')['JMX_EXPORTER_PORT']}"],
        "collector": [f"collector:{port}"],
    }


def test_data_sources() -> None:
    """Grafana's data sources are services of compose.yaml."""
    file = OBSERVE / "grafana/datasources/datasources.yml"
    sources = yaml.safe_load(file.read_text(encoding="utf-8"))["datasources"]
    hosts = {source["url"].removeprefix("http://").partition(":")[0] for source in sources}
    assert hosts == {"prometheus", "jaeger"} <= SERVICES.keys()


def test_collector() -> None:
    """The Collector that the tests build has the version of the image."""
    version = SERVICES["collector"]["image"].rpartition(":")[2]
    module = next(file for file in SOURCES if file.name == "go.mod").read_text(encoding="utf-8")
    assert f"kafkametricsreceiver v{version}\n" in module
    assert f"otelcol v{version}\n" in module
