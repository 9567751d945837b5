"""deploy/knative/eventing: events into the function, and out of Kafka."""

import re

from function.http.event_attributes import SUBMITTED
from tests.deploy.manifests import find, plain
from tests.instance import ROOT


def test_trigger() -> None:
    """The broker sends the function only submitted feedback, not its replies."""
    trigger = find(plain("eventing/trigger.yaml"), "Trigger")["spec"]
    assert trigger["filter"]["attributes"] == {"type": SUBMITTED}
    assert trigger["subscriber"]["ref"]["name"] == "mentor"
    assert trigger["broker"] == find(plain("eventing/broker.yaml"), "Broker")["metadata"]["name"]


def test_kafka_source() -> None:
    """The source reads Debezium's topic, and does not send it to the function."""
    source = find(plain("eventing/kafka-source.yaml"), "KafkaSource", "mentor-strategies")["spec"]
    properties = (ROOT / "deploy/debezium/application.properties").read_text(encoding="utf-8")
    [topic] = source["topics"]
    assert re.search(rf"^debezium\.transforms\.\w+\.replacement={topic}$", properties, re.MULTILINE)
    assert source["sink"]["ref"]["name"] != "mentor"
