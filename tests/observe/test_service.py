"""Every query of the service's dashboard and alerts finds data of the real function."""

import json
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from dev.observe import programs
from dev.observe.query import Prometheus, Window
from dev.ports import HOST, free_port
from tests.observe.service import Scene, faults, ordinary, scene
from tests.waiting import wait_until

pytestmark = pytest.mark.observe

DASHBOARD = json.loads((programs.FILES / "dashboards/service.json").read_text(encoding="utf-8"))
TARGETS = [
    {**target, "title": panel["title"]}
    for panel in DASHBOARD["panels"]
    for target in panel.get("targets", ())
]
PREFIXES = ("http_server_", "db_client_", "gen_ai_client_", "mentor_")  # of our metrics

Target = Mapping[str, Any]


@dataclass(frozen=True)
class Observed:
    """The scene, Prometheus, and the label `instance` of each instance."""

    scene: Scene
    prometheus: Prometheus
    scraped: str

    def ask(self, expression: str, **target: Any) -> list[Mapping[str, str]]:
        """The labels of the series that have a number in the last minutes."""
        now = time.time()
        found = self.prometheus.ask({**target, "expr": expression}, Window(now - 180, now, 1))
        return [
            one.labels for one in found if not all(math.isnan(value) for _, value in one.points)
        ]

    def without_data(self, instance: str) -> list[Target]:
        """The queries that find nothing of this instance."""
        return [one for one in TARGETS if not self.ask(expression(one, instance), **one)]


def expression(target: Target, instance: str) -> str:
    """The query for one instance, without the zero that it may show where it finds nothing."""
    return str(target["expr"]).replace("$instance", instance).replace(" or vector(0)", "")


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    folder = tmp_path_factory.mktemp("service")
    otlp, collector, port = free_port(), free_port(), free_port()
    nowhere = f"{HOST}:{free_port()}"  # no Kafka, no trace store
    with ExitStack() as stack:
        receiver = programs.run_collector(folder, collector, otlp, nowhere, f"http://{nowhere}")
        stack.enter_context(receiver)
        found = stack.enter_context(scene(folder, f"http://{HOST}:{otlp}"))
        scraped = f"{HOST}:{found.instances[0].port}"
        targets = {"mentor-function": scraped, "collector": f"{HOST}:{collector}"}
        stack.enter_context(programs.prometheus(folder, port, targets))
        programs.wait_for(f"http://{HOST}:{port}/-/ready")
        prometheus = stack.enter_context(closing(Prometheus(f"http://{HOST}:{port}")))
        observed = Observed(found, prometheus, scraped)
        wait_until(lambda: len(observed.ask("mentor_build")) == 2)
        faults(found)
        yield observed


def other(observed: Observed) -> str:
    """The instance that pushes: its label is the `service.instance.id`."""
    [found] = observed.ask(f'mentor_build{{instance!="{observed.scraped}"}}')
    return found["instance"]


@pytest.mark.parametrize("way", ["scraped", "pushed"])
def test_panels(observed: Observed, way: str) -> None:
    """Each query finds data, whichever way the metrics of an instance came."""
    instance = observed.scraped if way == "scraped" else other(observed)
    deadline = time.monotonic() + 120
    while (missing := observed.without_data(instance)) and time.monotonic() < deadline:
        for function in observed.scene.instances:
            ordinary(function)
        time.sleep(1)
    assert len(TARGETS) > 40
    assert [(one["title"], one["expr"]) for one in missing] == []


def test_both_ways_lead_to_the_same_job(observed: Observed) -> None:
    assert {found["job"] for found in observed.ask("mentor_build")} == {"mentor-function"}
    assert other(observed) != observed.scraped


def test_renamed_metrics_are_noticed(observed: Observed) -> None:
    """No query finds data if all names are others: test_panels would fail for each of them."""
    for target in TARGETS:
        text = expression(target, ".*")
        for prefix in PREFIXES:
            text = text.replace(prefix, f"renamed_{prefix}")
        assert text != expression(target, ".*")
        assert observed.ask(text, **target) == []


def rules(observed: Observed) -> list[Mapping[str, Any]]:
    answer = httpx.get(f"{observed.prometheus.url}/api/v1/rules", timeout=30).json()
    return [rule for group in answer["data"]["groups"] for rule in group["rules"]]


def test_alerts(observed: Observed) -> None:
    """Prometheus evaluates each rule; a concern that was not stored sets off its alert."""

    def firing() -> set[str]:
        return {rule["name"] for rule in rules(observed) if rule.get("state") == "firing"}

    wait_until(lambda: {"MentorConcernNotStored", "MentorRowRefused"} <= firing())
    assert {rule["health"] for rule in rules(observed)} == {"ok"}
