"""The topics keep records for as long as the documents say, and no longer."""

import os
import shlex
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its stub exports not all
    AdminClient,
    ConfigResource,
)

from dev.kafka import Kafka
from dev.kafka.java import java
from dev.kafka.prepare import CONFIGS, HEARTBEATS, TOPIC
from dev.kafka.programs import kafka_options
from tests.events.contract import ASYNCAPI, read
from tests.instance import ROOT
from tests.waiting import wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]

IN_A_SECOND = {"retention.ms": "1000", "segment.ms": "1000"}
AHEAD = {"limited": 1_800_000, "unlimited": 0}  # the producer's clock, in milliseconds


def configuration(kafka: Kafka, topic: str) -> dict[str, str]:
    """Return the topic's whole configuration, as Kafka has it."""
    resource = ConfigResource("topic", topic)
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    wait_until(lambda: topic in admin.list_topics(timeout=30).topics)
    entries = admin.describe_configs([resource])[resource].result(30)
    return {name: entry.value for name, entry in entries.items()}


def published() -> dict[str, str]:
    described: dict[str, Any] = read(ASYNCAPI)["channels"]["feedback"]["bindings"]["kafka"]
    config = described["topicConfiguration"]
    return {**{name: str(value) for name, value in config.items()}, "cleanup.policy": "delete"}


def test_topics(kafka: Kafka) -> None:
    """The topics of the tests have the settings of asyncapi.yaml."""
    assert published().items() <= configuration(kafka, TOPIC).items()
    assert CONFIGS[HEARTBEATS].items() <= configuration(kafka, HEARTBEATS).items()


def test_compose_topics(tmp_path: Path) -> None:
    """The script of compose.yaml also configures topics that exist."""
    with Kafka(tmp_path) as kafka:
        for topic in CONFIGS:
            kafka.create_topic(topic)
        run_topics_script(kafka, tmp_path)
        for topic, config in CONFIGS.items():
            assert config.items() <= configuration(kafka, topic).items()


def run_topics_script(kafka: Kafka, folder: Path) -> None:
    """Run it with the real kafka-configs.sh. The jars here lack kafka-topics.sh."""
    configure = shlex.join([str(java()), *kafka_options(128), "kafka.admin.ConfigCommand"])
    for name, command in {"kafka-topics.sh": "true", "kafka-configs.sh": configure}.items():
        tool = folder / name
        tool.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        tool.chmod(0o755)
    script = (ROOT / "deploy/compose/topics.sh").read_text().replace("/opt/kafka/bin", str(folder))
    environ = {**os.environ, "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap}
    subprocess.run(["sh", "-c", script], env=environ, check=True)


def test_old_records(kafka: Kafka) -> None:
    """While records arrive, old ones go only where segments have a limit of time.

    A producer whose clock is ahead keeps no record for longer.
    """
    kafka.create_topic("limited", config={**CONFIGS[TOPIC], **IN_A_SECOND})
    kafka.create_topic("unlimited", config={"retention.ms": "1000"})
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    deadline = time.monotonic() + 120
    while first_offset(kafka, "limited") < 20:
        assert time.monotonic() < deadline
        for topic in ("limited", "unlimited"):
            producer.produce(topic, b"a record", timestamp=int(time.time() * 1000) + AHEAD[topic])
        assert producer.flush(30) == 0
        time.sleep(0.2)
    assert first_offset(kafka, "unlimited") == 0


def first_offset(kafka: Kafka, topic: str) -> int:
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "unused"})
    try:
        return consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=30)[0]
    finally:
        consumer.close()
