"""Reads a topic as it lies in Kafka."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition

Headers = tuple[tuple[str, bytes | None], ...]


@dataclass(frozen=True)
class Record:
    """A record of Kafka; `key` and `value` as bytes, because that is what is agreed."""

    partition: int
    offset: int
    key: bytes | None
    headers: Headers
    value: bytes | None
    timestamp: float  # seconds since 1970; of the producer or of Kafka, as the topic is set

    @property
    def student(self) -> str:
        return (self.key or b"").decode()

    def header(self, name: str) -> bytes | None:
        (value,) = (value for found, value in self.headers if found == name)
        return value

    def row(self) -> Any:
        return json.loads(self.value or b"null")


def read(
    bootstrap: str, topic: str, enough: Callable[[list[Record]], bool], timeout: float = 120
) -> list[Record]:
    """All records from the beginning on, as soon as they are enough.

    Those of a partition are in its order. What comes with the last ones needed is returned too.
    """
    found: list[Record] = []
    deadline = time.monotonic() + timeout
    with _consumer(bootstrap, topic) as consumer:
        while not enough(found):
            assert time.monotonic() < deadline, (
                f"not enough on {topic} after {timeout} s: {len(found)} records, last {found[-3:]}"
            )
            found += [_record(message) for message in consumer.consume(500, 0.2)]
    return found


def read_to_the_end(bootstrap: str, topic: str) -> list[Record]:
    """All that the topic has now."""
    with _consumer(bootstrap, topic) as consumer:
        ends = [
            consumer.get_watermark_offsets(partition, timeout=30)
            for partition in consumer.assignment()
        ]
    total = sum(high - low for low, high in ends)
    return read(bootstrap, topic, lambda records: len(records) >= total)


@contextmanager
def _consumer(bootstrap: str, topic: str) -> Iterator[Consumer]:
    """A consumer of all partitions; of no group, whose making takes seconds."""
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "unused", "enable.auto.commit": False}
    )
    try:
        partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
        yield consumer
    finally:
        consumer.close()


def _record(message: Message) -> Record:
    error, partition, offset = message.error(), message.partition(), message.offset()
    assert error is None, error
    assert partition is not None
    assert offset is not None
    # Of the types that its annotation allows, only producers see the others.
    headers = tuple(cast("list[tuple[str, bytes | None]]", message.headers() or []))
    _, milliseconds = message.timestamp()
    return Record(partition, offset, message.key(), headers, message.value(), milliseconds / 1000)
