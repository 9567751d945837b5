"""The guide's consumer counts each event once, whatever else is on the topic."""

import re
import signal
import sqlite3
import uuid
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest
from confluent_kafka import Producer

from dev.kafka import Kafka
from tests.events import guide
from tests.events.group import lag, members
from tests.events.poison import MARK, Content, headers, poison, value
from tests.events.raw import write_unreadable_header
from tests.events.topic import read_to_the_end
from tests.waiting import wait_until

PARTITIONS = 3
PATIENCE = 90  # seconds
PLACE = re.compile(r"skipped topic \S+, partition (\d+), offset (\d+): ")

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]


@pytest.fixture
def topic(kafka: Kafka) -> str:
    """Return a new topic, whose name is also that of the consumer's group."""
    name = f"test-{uuid.uuid4()}"
    kafka.create_topic(name, PARTITIONS)
    return name


def test_killed_consumer(kafka: Kafka, topic: str, tmp_path: Path) -> None:
    """It counts each event once, no matter where it is killed, and skips all other records."""
    code = guide.static(guide.program(topic, group=topic))
    some = students(10)
    events = [(student, strategy(student)) for student in some * 20]
    # Only some are repeated: a repeat must not hide an event that the consumer skipped.
    repeated = [(student, event) for student, event in events if student in some[:5]]
    for start in range(0, len(events), 20):
        send(kafka, topic, events[start : start + 20])
        send_to_all(kafka, topic, poison())
    send(kafka, topic, repeated)

    for told in (False, True):
        for statement, program in guide.dying(code, nth=7, told=told):
            with guide.running(program, tmp_path, kafka.bootstrap) as process:
                assert process.wait(60) == -9, f"{statement}: {guide.log(tmp_path)}"
    assert 0 < guide.counted(tmp_path, some).total() < len(events)

    send(kafka, topic, repeated)
    with guide.running(code, tmp_path, kafka.bootstrap):
        wait_until(lambda: lag(kafka.bootstrap, topic, topic) == 0, PATIENCE)
    assert guide.counted(tmp_path, some) == Counter(dict.fromkeys(some, 20))
    assert_skipped(kafka, topic, guide.log(tmp_path))


def assert_skipped(kafka: Kafka, topic: str, log: str) -> None:
    """Check that the log has the place of each poisoned record, and nothing of their content."""
    records = read_to_the_end(kafka.bootstrap, topic)
    poisoned = {(record.partition, record.offset) for record in records if record.key is None}
    assert {(int(partition), int(offset)) for partition, offset in PLACE.findall(log)} == poisoned
    assert MARK not in log
    assert "Traceback" not in log


def test_unreadable_header(kafka: Kafka, topic: str, tmp_path: Path) -> None:
    """It skips a record whose header confluent-kafka can't decode."""
    before, after = students(2)
    send_to_all(kafka, topic, [strategy(before)])
    for partition in range(PARTITIONS):
        write_unreadable_header(kafka.bootstrap, topic, partition)
    send_to_all(kafka, topic, [strategy(after)])
    with guide.running(guide.program(topic, group=topic), tmp_path, kafka.bootstrap):
        wait_until(lambda: lag(kafka.bootstrap, topic, topic) == 0, PATIENCE)
    assert guide.counted(tmp_path, [before, after]) == Counter([before, after])
    skipped = {(str(partition), "1") for partition in range(PARTITIONS)}
    assert set(PLACE.findall(guide.log(tmp_path))) == skipped


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop(kafka: Kafka, topic: str, tmp_path: Path, number: signal.Signals) -> None:
    """A signal ends it without an error; it has left the group and committed its offsets."""
    some = students(20)
    send(kafka, topic, [(student, strategy(student)) for student in some])
    with guide.running(guide.program(topic, group=topic), tmp_path, kafka.bootstrap) as process:
        wait_until(lambda: counted_all(tmp_path, some), PATIENCE)
        assert members(kafka.bootstrap, topic) == 1
        process.send_signal(number)
        assert process.wait(30) == 0, guide.log(tmp_path)
    assert members(kafka.bootstrap, topic) == 0
    assert lag(kafka.bootstrap, topic, topic) == 0


def counted_all(folder: Path, some: list[str]) -> bool:
    try:
        return guide.counted(folder, some) == Counter(some)
    except sqlite3.OperationalError:  # it has not created its tables yet
        return False


def test_erased_student(kafka: Kafka, topic: str, tmp_path: Path) -> None:
    """It deletes what it has of the student; a repeat does not delete what came later."""
    student, other = students(2)
    before, erased = strategy(student), erasure(student)
    send(kafka, topic, [(other, strategy(other)), (student, before), (student, erased)])
    send(kafka, topic, [(student, strategy(student)), (student, before), (student, erased)])
    with guide.running(guide.program(topic, group=topic), tmp_path, kafka.bootstrap):
        wait_until(lambda: lag(kafka.bootstrap, topic, topic) == 0, PATIENCE)
    assert guide.counted(tmp_path, [student, other]) == Counter([student, other])


def students(number: int) -> list[str]:
    return [str(uuid.uuid4()) for _ in range(number)]


def strategy(student: str) -> Content:
    """Return a new event of the student."""
    ce_id = str(uuid.uuid4())
    return headers(ce_id=ce_id.encode()), value(id=ce_id, student_id=student)


def erasure(student: str) -> Content:
    ce_id = str(uuid.uuid4())
    changed = {"ce_id": ce_id.encode()}
    return headers("studentErased", **changed), value("studentErased", student_id=student)


def send(kafka: Kafka, topic: str, events: Iterable[tuple[str, Content]]) -> None:
    """Send events with their keys, the students."""
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for student, (its_headers, its_value) in events:
        producer.produce(topic, its_value, student.encode(), headers=list(its_headers))
    assert producer.flush(30) == 0


def send_to_all(kafka: Kafka, topic: str, records: list[Content]) -> None:
    """Send records without a key to each partition."""
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for partition in range(PARTITIONS):
        for its_headers, its_value in records:
            producer.produce(topic, its_value, None, partition, headers=list(its_headers))
    assert producer.flush(30) == 0
