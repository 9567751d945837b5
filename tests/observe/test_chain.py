"""Every query of the dashboards and alerts finds data of the real chain."""

import os
import signal
import time

import httpx
import pytest

from dev.observe.programs import FILES
from tests.observe.conftest import Observed
from tests.observe.panels import Api, Query, alerts, of_dashboard, of_rules
from tests.waiting import wait_until

pytestmark = pytest.mark.observe

RULES = FILES / "alerts/chain.yml"
TRACE = "5b8efff798038103d269b633813fc60c"
SENDER = [
    {"key": "service.name", "value": {"stringValue": "mentor-function"}},
    {"key": "service.instance.id", "value": {"stringValue": "one"}},
]


def without_data(api: Api, queries: list[Query], timeout: float = 120) -> list[Query]:
    """The queries that have no number after this time."""
    deadline = time.monotonic() + timeout
    while queries := [query for query in queries if not api.values(query.expression)]:
        if time.monotonic() > deadline:
            break
        time.sleep(1)
    return queries


def test_panels(observed: Observed) -> None:
    """Each query of each panel and variable returns data."""
    queries = [*of_dashboard(FILES / "dashboards/chain.json")]
    assert len(queries) > 10
    assert without_data(observed.api, queries) == []


def test_alerts(observed: Observed) -> None:
    """Each operand of each alert has data, and a chain that works has no alert."""
    assert without_data(observed.api, [*of_rules(RULES)]) == []
    for alert in alerts(RULES):  # the first heartbeat takes a second
        wait_until(lambda alert=alert: not observed.api.values(alert["expr"]))  # type: ignore[misc]


def test_otlp(observed: Observed) -> None:
    """A metric that is sent to the Collector reaches Prometheus, and a span the trace store."""
    now = str(time.time_ns())
    span = {"traceId": TRACE, "spanId": "eee19b7ec3c1b174", "name": "any", "kind": 2}
    point = {"startTimeUnixNano": now, "timeUnixNano": now, "asInt": "7"}
    total = {"aggregationTemporality": 2, "isMonotonic": True, "dataPoints": [point]}
    metric = {"name": "mentor.feedback", "unit": "{feedback}", "sum": total}
    send(observed.otlp, "traces", "Spans", {"spans": [{**span, "startTimeUnixNano": now}]})
    send(observed.otlp, "metrics", "Metrics", {"metrics": [metric]})
    labels = '{job="mentor-function", instance="one"}'
    wait_until(lambda: observed.api.values(f"mentor_feedback_total{labels}") == [7])
    wait_until(lambda: any(bytes.fromhex(TRACE) in body for body in observed.traces))


def send(otlp: str, signal: str, name: str, scope: object) -> None:
    """Send it as OTLP, wrapped into the resource of an instance."""
    resource = {"resource": {"attributes": SENDER}, f"scope{name}": [scope]}
    body = {f"resource{name}": [resource]}
    httpx.post(f"{otlp}/v1/{signal}", json=body).raise_for_status()


def test_kafka_is_away(observed: Observed) -> None:
    """While Kafka is frozen, heartbeats stop. Debezium's own delay does not show it."""
    pid = observed.stack.kafka.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_until(lambda: is_met(observed.api, "MentorHeartbeatsStopped"))
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_until(lambda: not is_met(observed.api, "MentorHeartbeatsStopped"))


def test_debezium_is_away(observed: Observed) -> None:
    """A killed Debezium and a slot that is gone fulfill the conditions of their alerts."""
    observed.stack.debezium.kill()
    wait_until(lambda: is_met(observed.api, "MentorDebeziumDown"))
    wait_until(lambda: is_met(observed.api, "MentorSlotInactive"))
    assert not is_met(observed.api, "MentorSlotLost")
    observed.stack.run("SELECT pg_drop_replication_slot('mentor_feedback')")
    wait_until(lambda: is_met(observed.api, "MentorSlotLost"))


def is_met(api: Api, name: str) -> bool:
    """Whether the alert's condition holds now, with a shorter time for its rates."""
    [found] = [alert for alert in alerts(RULES) if alert["alert"] == name]
    return bool(api.values(found["expr"].replace("[5m]", "[10s]")))
