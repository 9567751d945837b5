"""Records that are no events of the contract, as mistakes of other producers make them."""

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from confluent_kafka import Producer

from dev.kafka.prepare import TOPIC
from tests.events.topic import Record

NOT_ROWS = (None, b"not json", b"null", b"[]", b"7", b"{}")

Headers = Mapping[str, bytes | None]

WRONG_HEADERS: list[Callable[[Headers], Headers]] = [
    lambda _: {},
    lambda headers: {**headers, "ce_id": None},
    lambda headers: {name: value for name, value in headers.items() if name != "ce_id"},
    lambda headers: {**headers, "ce_type": None},
    lambda headers: {**headers, "ce_type": b"another.type"},
    lambda headers: {**headers, "ce_type": b"mentor.strategy.revised", "ce_subject": b"an id"},
]


@dataclass(frozen=True)
class Foreign:
    """A record with an id of its own; `is_row` says whether its value is a row."""

    id: str
    value: bytes | None
    headers: Headers
    is_row: bool = True


def like(record: Record) -> list[Foreign]:
    """Return records that differ from this one in one point each, and have other ids."""
    rows = [_row(record, change) for change in WRONG_HEADERS]
    others = [_row(record, dict) for _ in NOT_ROWS]
    return rows + [
        replace(one, value=value, is_row=False) for one, value in zip(others, NOT_ROWS, strict=True)
    ]


def _row(record: Record, change: Callable[[Headers], Headers]) -> Foreign:
    own_id = str(uuid.uuid4())
    headers = change({**dict(record.headers), "ce_id": own_id.encode()})
    return Foreign(own_id, json.dumps({**record.row(), "id": own_id}).encode(), headers)


def send(bootstrap: str, record: Record, partitions: int) -> list[Foreign]:
    """Send such records to each partition, without a key, and return them."""
    producer = Producer({"bootstrap.servers": bootstrap})
    found = []
    for partition in range(partitions):
        for one in like(record):
            producer.produce(TOPIC, one.value, partition=partition, headers=[*one.headers.items()])
            found.append(one)
    assert producer.flush(30) == 0
    return found
