"""A Kafka topic, read by a consumer with default settings and without a group."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from confluent_kafka import Consumer, Message, TopicPartition

from bench.output import BenchFailure

LIMIT = 300.0  # seconds for a backlog
ANSWER_LIMIT = 30.0  # seconds
LOOK = 0.1  # seconds


@dataclass(frozen=True, slots=True)
class Event:
    """A record: its ce_id, and Kafka's time in milliseconds (Unix time)."""

    id: str
    time: int


# An offset for each partition.
Position = Sequence[int]


class Topic:
    """Records are read in following() and between() only, so that other times cost nothing."""

    def __init__(self, bootstrap: str, name: str) -> None:
        self._name = name
        self._consumer = Consumer(
            {"bootstrap.servers": bootstrap, "group.id": "bench", "enable.auto.commit": False}
        )
        self._partitions = len(
            self._consumer.list_topics(name, ANSWER_LIMIT).topics[name].partitions
        )

    def end(self) -> Position:
        """The position of the next records."""
        return [self._end(number) for number in range(self._partitions)]

    def wait_for(self, start: Position, count: int) -> None:
        """Wait for `count` records, without reading them. Raises BenchFailure."""
        deadline = time.monotonic() + LIMIT
        while (come := sum(self.end()) - sum(start)) < count:
            if time.monotonic() > deadline:
                raise BenchFailure(f"{come} of {count} events after {LIMIT:g} s")
            time.sleep(LOOK)

    @contextmanager
    def following(self, start: Position) -> Iterator[None]:
        """Let poll() return the records from there on."""
        self._consumer.assign(
            [TopicPartition(self._name, number, offset) for number, offset in enumerate(start)]
        )
        try:
            yield
        finally:
            self._consumer.unassign()

    def poll(self, timeout: float) -> Event | None:
        """The next record, as soon as it arrives. Raises BenchFailure."""
        message = self._consumer.poll(timeout)
        return None if message is None else _event(message)

    def between(self, start: Position, end: Position) -> Iterator[Event]:
        """All records between two positions. Raises BenchFailure."""
        with self.following(start):
            for _ in range(sum(end) - sum(start)):
                event = self.poll(ANSWER_LIMIT)
                if event is None:
                    raise BenchFailure("records that are on the topic can't be read")
                yield event

    def close(self) -> None:
        """Disconnect."""
        self._consumer.close()

    def _end(self, number: int) -> int:
        partition = TopicPartition(self._name, number)
        offsets = self._consumer.get_watermark_offsets(partition, ANSWER_LIMIT)
        if offsets is None:
            raise BenchFailure("Kafka does not tell where its topic ends")
        return int(offsets[1])


def _event(message: Message) -> Event:
    if error := message.error():
        raise BenchFailure(f"Kafka: {error}")
    headers = dict(message.headers() or [])
    event = headers.get("ce_id")
    if not isinstance(event, bytes):
        raise BenchFailure(f"an event without ce_id: {headers}")
    return Event(event.decode(), message.timestamp()[1])
