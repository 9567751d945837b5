"""Reads a topic that transactions write to, as a consumer with read_committed does."""

import json
import time
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

LIMIT = 60.0  # seconds


def committed(bootstrap: str, topic: str) -> list[tuple[str, Any]]:
    """Return the keys and parsed values of all committed records, partition by partition."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "unused",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
        }
    )
    try:
        partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
        return _read(consumer, len(partitions))
    finally:
        consumer.close()


def _read(consumer: Consumer, unfinished: int) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    deadline = time.monotonic() + LIMIT
    while unfinished:
        assert time.monotonic() < deadline, f"no end after {len(found)} records"
        message = consumer.poll(0.2)
        if message is None:
            continue
        if error := message.error():
            assert error.code() == KafkaError._PARTITION_EOF, error
            unfinished -= 1
        else:
            key, value = message.key() or b"", message.value()
            found.append((key.decode(), value and json.loads(value)))
    return found
