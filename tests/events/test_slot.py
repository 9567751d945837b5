"""The replication slot advances while no feedback arrives, and a lost slot loses no row."""

import json
import signal
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
import pytest

from dev.kafka.prepare import HEARTBEATS, TOPIC
from dev.postgres import SETTINGS
from tests.events.contract import code_blocks
from tests.events.stack import Slot, Stack, running_stack
from tests.events.topic import Record, read
from tests.migrate.job import COPY, migrate
from tests.waiting import wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]

FILL = "INSERT INTO {} SELECT repeat('x', 1000) FROM generate_series(1, 20000)"  # 20 MB of log
(WAY_BACK,) = (sql for sql in code_blocks("sql") if "pg_drop_replication_slot" in sql)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delitem(SETTINGS, "max_slot_wal_keep_size", raising=False)  # SQL sets it here
        with running_stack(tmp_path_factory.mktemp("slot")) as stack:
            yield prepared(stack)


def prepared(stack: Stack) -> Stack:
    """Create a table that Debezium doesn't read, in its database and in another one."""
    for database in ("mentor", "postgres"):
        stack.run("CREATE TABLE other (text TEXT)", database=database)
    return stack


def test_idle_slot(stack: Stack) -> None:
    """An idle slot advances while other tables and databases are written."""
    student = post(stack, 1)
    before = records(stack, student, 1)
    for database in ("mentor", "postgres"):
        stack.run(FILL.format("other"), database=database)
        ((lsn,),) = stack.run("SELECT pg_current_wal_lsn()::text", database="postgres")
        wait_until(lambda place=lsn: slot(stack, place).has_passed)  # type: ignore[misc]
    assert read(stack.kafka.bootstrap, HEARTBEATS, bool)
    student = post(stack, 1)
    after = read(stack.kafka.bootstrap, TOPIC, lambda found: has(found, student, 1))
    assert len(after) == len(before) + 1


def stopped(stack: Stack) -> Iterator[None]:
    """Debezium does not run when PostgreSQL invalidates the slot."""
    stack.debezium.stop()
    yield
    stack.debezium.launch()


def stalled(stack: Stack) -> Iterator[None]:
    """Debezium is connected, but does not read; PostgreSQL disconnects it."""
    assert stack.debezium.pid
    process = psutil.Process(stack.debezium.pid)
    process.send_signal(signal.SIGSTOP)
    yield
    process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("debezium", [stopped, stalled])
def test_lost_slot(stack: Stack, debezium: Callable[[Stack], Iterator[None]]) -> None:
    """The documented recovery from a lost slot loses no row."""
    student = post(stack, 3)
    records(stack, student, 3)
    with contextmanager(debezium)(stack):
        post(stack, 3, student)
        lose_the_slot(stack)
        post(stack, 3, student)
    wait_until(lambda: "Cannot obtain valid replication slot" in stack.debezium.log)
    stack.run(WAY_BACK)
    post(stack, 3, student)
    found = records(stack, student, 12)
    assert_each_once_in_order(found)
    assert slot(stack).wal_status == "reserved"


def test_dropped_slot(stack: Stack) -> None:
    """A dropped slot loses no row."""
    student = post(stack, 3)
    records(stack, student, 3)
    stack.debezium.stop()
    post(stack, 3, student)
    stack.run("SELECT pg_drop_replication_slot('mentor_feedback')")
    # The first row is now the last one in the table; a snapshot orders rows by created_at.
    stack.run("UPDATE feedback SET message = message WHERE message = '0'")
    post(stack, 3, student)
    stack.debezium.start()
    post(stack, 3, student)
    assert_each_once_in_order(records(stack, student, 12))


@pytest.mark.parametrize("damage", ["DROP PUBLICATION mentor_feedback", COPY])
def test_lost_publication(stack: Stack, damage: str) -> None:
    """The documented recovery from a lost publication loses no row."""
    student = post(stack, 3)
    records(stack, student, 3)
    stack.run(damage)
    post(stack, 3, student)
    done = migrate(stack.postgres.url("mentor"))
    assert "the slot mentor_feedback" in done.events_missing[0]
    post(stack, 3, student)
    stack.run(WAY_BACK)  # the job has printed it too
    post(stack, 3, student)
    assert {int(one.row()["message"]) for one in of_student(stack, student)} == set(range(12))
    stack.run("DROP TABLE IF EXISTS original")


def of_student(stack: Stack, student: str) -> list[Record]:
    return [one for one in records(stack, student, 12) if one.student == student]


def post(stack: Stack, count: int, student: str | None = None) -> str:
    """Post this number of feedbacks of a student; their messages are consecutive numbers."""
    student = student or str(uuid.uuid4())
    ((number,),) = stack.run(
        "SELECT count(*) FROM feedback WHERE student_id = CAST(:student AS uuid)", student=student
    )
    for message in range(number, number + count):
        feedback = {"student_id": student, "task_id": "task-123", "message": str(message)}
        answer = stack.function.post(feedback)
        assert answer.status == 200, answer
    return student


def records(stack: Stack, student: str, count: int) -> list[Record]:
    """Wait for this number of the student's records without repeats; return all records."""
    return read(stack.kafka.bootstrap, TOPIC, lambda found: has(found, student, count))


def has(found: list[Record], student: str, count: int) -> bool:
    return len({one.header("ce_id") for one in found if one.student == student}) >= count


def assert_each_once_in_order(found: list[Record]) -> None:
    """Check that without repeats, each student's messages are counted from 0."""
    firsts = {record.header("ce_id"): record for record in reversed(found)}.values()
    messages: dict[str, list[int]] = {}
    for record in reversed(firsts):
        messages.setdefault(record.student, []).append(json.loads(record.row()["message"]))
    for numbers in messages.values():
        assert numbers == list(range(len(numbers)))


def lose_the_slot(stack: Stack) -> None:
    """Let PostgreSQL keep less of its log than Debezium has to read."""
    set_limit(stack, "'16MB'")
    for _ in range(4):
        stack.run(FILL.format("other"))
        stack.run("SELECT pg_switch_wal()")
    stack.run("CHECKPOINT")
    wait_until(lambda: slot(stack).wal_status == "lost")
    set_limit(stack, "DEFAULT")


def set_limit(stack: Stack, value: str) -> None:
    stack.run(f"ALTER SYSTEM SET max_slot_wal_keep_size = {value}")
    stack.run("SELECT pg_reload_conf()")


def slot(stack: Stack, passed: str = "0/0") -> Slot:
    found = stack.slot(passed)
    assert found
    return found
