"""Each part is killed during 5,000 feedbacks: none is lost or out of order."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass
from datetime import datetime
from pathlib import Path

import pytest

from dev.kafka.prepare import TOPIC
from tests.events.sender import Load
from tests.events.stack import Stack, running_stack
from tests.events.topic import Record, read, read_to_the_end
from tests.report import print_table

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(400)]

TOTAL = 5000
DOWN = 3.0  # seconds
LONG_DOWN = 60.0  # seconds; Debezium Server waits for half of it by default


def debezium(stack: Stack) -> None:
    stack.debezium.kill()
    time.sleep(DOWN)
    stack.debezium.start()


def postgres(stack: Stack) -> None:
    stack.postgres.crash()
    time.sleep(DOWN)
    stack.postgres.start()


def kafka_for_a_minute(stack: Stack) -> None:
    stack.kafka.kill()
    time.sleep(LONG_DOWN)
    stack.kafka.start()


def debezium_and_kafka(stack: Stack) -> None:
    stack.debezium.kill()
    stack.kafka.kill()
    time.sleep(DOWN)
    stack.kafka.start()
    stack.debezium.start()


@dataclass(frozen=True)
class Outcome:
    """The result of one fault; `slowest` is in seconds from the row to Kafka."""

    fault: str
    sent: int
    lost: int
    repeated: int
    slowest: float


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest) -> Iterator[list[Outcome]]:
    """Collect the results of the tests, and print them at the end."""
    found: list[Outcome] = []
    yield found
    rows = [[*map(str, astuple(one)[:-1]), f"{one.slowest:.1f}"] for one in found]
    print_table(request, ["killed", "sent", "lost", "repeated", "slowest (s)"], rows)


@pytest.mark.parametrize(
    ("fault", "rate", "survivor"),
    [
        (debezium, 150, None),
        (postgres, 150, "debezium"),
        (kafka_for_a_minute, 55, "debezium"),
        (debezium_and_kafka, 150, None),
    ],
)
def test_kill(
    fault: Callable[[Stack], None],
    rate: float,
    survivor: str | None,
    tmp_path: Path,
    outcomes: list[Outcome],
) -> None:
    """Every acknowledged feedback reaches Kafka, in the order of its student."""
    with running_stack(tmp_path) as stack:
        pid = stack.debezium.pid
        load = Load([stack.function.port], TOTAL, rate)
        sending = threading.Thread(target=load.run)
        sending.start()
        while load.count < TOTAL / 3:
            assert sending.is_alive()
            time.sleep(0.01)
        fault(stack)
        sending.join()
        assert load.failed == []
        _wait_for_all(stack)
        if survivor:
            assert stack.debezium.pid == pid, "Debezium needed a restart"
        stack.debezium.stop()  # so that no repeat is on its way
        records = read_to_the_end(stack.kafka.bootstrap, TOPIC)
    firsts = _firsts(records)
    outcomes.append(_outcome(fault.__name__.replace("_", " "), records, firsts))
    assert _in_order(firsts) == load.acknowledged  # each message once: repeats share their ce_id


def _wait_for_all(stack: Stack) -> None:
    """Wait until the topic has all feedback, for at most two minutes."""
    deadline = time.monotonic() + 120

    def enough(records: list[Record]) -> bool:
        found = {record.header("ce_id") for record in records}
        return len(found) >= TOTAL or time.monotonic() > deadline

    read(stack.kafka.bootstrap, TOPIC, enough, timeout=150)


def _firsts(records: list[Record]) -> list[Record]:
    """Return the records that a consumer keeps when it drops repeats by ce_id."""
    firsts: dict[bytes | None, Record] = {}
    for record in records:
        firsts.setdefault(record.header("ce_id"), record)
    return list(firsts.values())


def _in_order(records: list[Record]) -> dict[str, list[str]]:
    """Return the messages of each student in the order of the topic."""
    found: dict[str, list[str]] = {}
    for record in records:
        found.setdefault(record.student, []).append(record.row()["message"])
    return found


def _outcome(fault: str, records: list[Record], firsts: list[Record]) -> Outcome:
    slowest = max(
        record.timestamp - datetime.fromisoformat(record.row()["created_at"]).timestamp()
        for record in firsts
    )
    return Outcome(fault, TOTAL, TOTAL - len(firsts), len(records) - len(firsts), slowest)
