"""Consumer groups, as Kafka sees them."""

import uuid
from contextlib import closing

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient


def new_group(bootstrap: str, topic: str) -> str:
    """Return a new group that starts at the end of the topic, after records of other tests."""
    group = f"test-{uuid.uuid4()}"
    with closing(_consumer(bootstrap, group)) as it:
        it.commit(offsets=_ends(it, topic), asynchronous=False)
    return group


def lag(bootstrap: str, topic: str, group: str) -> int:
    """Return how many records the group has not committed."""
    with closing(_consumer(bootstrap, group)) as it:
        last = _ends(it, topic)
        done = it.committed(last, timeout=30)
    # Without a committed offset, it is negative.
    return sum(p.offset for p in last) - sum(max(p.offset, 0) for p in done)


def members(bootstrap: str, group: str) -> int:
    """Return how many consumers are in the group."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    return len(admin.describe_consumer_groups([group])[group].result(30).members)


def _consumer(bootstrap: str, group: str) -> Consumer:
    return Consumer({"bootstrap.servers": bootstrap, "group.id": group})


def _ends(consumer: Consumer, topic: str) -> list[TopicPartition]:
    """Return the topic's partitions, each with the offset of its next record."""
    numbers = consumer.list_topics(topic, timeout=30).topics[topic].partitions
    partitions = [TopicPartition(topic, number) for number in numbers]
    for partition in partitions:
        _, partition.offset = consumer.get_watermark_offsets(partition, timeout=30)
    return partitions
