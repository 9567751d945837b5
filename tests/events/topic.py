"""Reads the records of a topic from Kafka."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, TopicPartition

TIMEOUT = 120.0  # seconds

Headers = tuple[tuple[str, bytes | None], ...]


@dataclass(frozen=True)
class Record:
    """A record in Kafka; key and value are bytes, as in the contract."""

    partition: int
    offset: int
    key: bytes | None
    headers: Headers
    value: bytes | None
    timestamp: float  # seconds since 1970, when Kafka stored it

    @property
    def student(self) -> str:
        return (self.key or b"").decode()

    def header(self, name: str) -> bytes | None:
        (value,) = (value for found, value in self.headers if found == name)
        return value

    def row(self) -> Any:
        return json.loads(self.value or b"null")


def read(
    bootstrap: str, topic: str, enough: Callable[[list[Record]], bool], timeout: float = TIMEOUT
) -> list[Record]:
    """Read from the beginning until there are enough records, and return all that were read.

    The records of a partition are in order.
    """
    found: list[Record] = []
    deadline = time.monotonic() + timeout
    with _consumer(bootstrap, topic) as consumer:
        while not enough(found):
            assert time.monotonic() < deadline, (
                f"not enough on {topic} after {timeout} s: {len(found)} records, last {found[-3:]}"
            )
            messages = consumer.consume(500, 0.2)
            found += [_record(message) for message in messages if not _is_end(message)]
    return found


def read_to_the_end(bootstrap: str, topic: str) -> list[Record]:
    """Return all current records of the topic, partition by partition.

    Of transactions, only those that are committed: offsets count the others, and their markers.
    """
    found: list[Record] = []
    ended: set[int | None] = set()
    deadline = time.monotonic() + TIMEOUT
    with _consumer(bootstrap, topic) as consumer:
        partitions = len(consumer.assignment())
        while len(ended) < partitions:
            assert time.monotonic() < deadline, f"no end of {topic} after {len(found)} records"
            for message in consumer.consume(500, 0.2):
                if _is_end(message):
                    ended.add(message.partition())
                else:
                    found.append(_record(message))
    return found


@contextmanager
def _consumer(bootstrap: str, topic: str) -> Iterator[Consumer]:
    """A consumer of all partitions, without a group, because joining one takes seconds."""
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
        yield consumer
    finally:
        consumer.close()


def _is_end(message: Message) -> bool:
    error = message.error()
    return error is not None and error.code() == KafkaError._PARTITION_EOF


def _record(message: Message) -> Record:
    error, partition, offset = message.error(), message.partition(), message.offset()
    assert error is None, error
    assert partition is not None
    assert offset is not None
    # A consumer never gets the other types of the annotation.
    headers = tuple(cast("list[tuple[str, bytes | None]]", message.headers() or []))
    _, milliseconds = message.timestamp()
    return Record(partition, offset, message.key(), headers, message.value(), milliseconds / 1000)
