"""Every query of the service's dashboard and alerts finds data of the real function."""

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest

from dev.observe import programs
from tests.observe.service import Observed, faults, observing, ordinary
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


def without_data(observed: Observed, instance: str) -> list[Target]:
    """The queries that find nothing of this instance."""
    return [one for one in TARGETS if not observed.ask(expression(one, instance), **one)]


def expression(target: Target, instance: str) -> str:
    """The query for one instance, without the zero that it may show where it finds nothing."""
    return str(target["expr"]).replace("$instance", instance).replace(" or vector(0)", "")


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    with observing(tmp_path_factory.mktemp("service")) as found:
        faults(found.scene)
        yield found


def other(observed: Observed) -> str:
    """The instance that pushes: its label is the `service.instance.id`."""
    [found] = observed.ask(f'mentor_build{{instance!="{observed.scraped}"}}')
    return found["instance"]


@pytest.mark.parametrize("way", ["scraped", "pushed"])
def test_panels(observed: Observed, way: str) -> None:
    """Each query finds data, whichever way the metrics of an instance came."""
    instance = observed.scraped if way == "scraped" else other(observed)
    deadline = time.monotonic() + 120
    while (missing := without_data(observed, instance)) and time.monotonic() < deadline:
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
