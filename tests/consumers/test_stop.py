"""The program in JavaScript ends on SIGTERM also while it joins its group."""

import os
import signal
from pathlib import Path

import pytest
from confluent_kafka import Producer

from dev.kafka.prepare import TOPIC
from dev.supervisor import Process
from tests.consumers.group import STOP_LIMIT
from tests.consumers.programs import javascript
from tests.waiting import wait_until

pytestmark = [pytest.mark.consumers, pytest.mark.timeout(600)]


def test_stop_while_joining(tmp_path: Path) -> None:
    """The first join takes 3 seconds, on librdkafka's mock brokers too."""
    brokers = Producer({"test.mock.num.brokers": 1})
    brokers.produce(TOPIC, b"")  # makes the topic
    [broker] = brokers.list_topics(timeout=30).brokers.values()
    environ = {**os.environ, "KAFKA_BOOTSTRAP_SERVERS": f"{broker.host}:{broker.port}"}
    log = tmp_path / "log"
    with Process(javascript(tmp_path), log=log, env=environ, cwd=tmp_path) as program:
        wait_until(lambda: "[Consumer] Starting" in log.read_text(encoding="utf-8"))
        program.send_signal(signal.SIGTERM)
        assert program.wait(STOP_LIMIT) == 0, log.read_text(encoding="utf-8")
