"""The documented ways to publish events again, and what a deleted topic does."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from dev.kafka import DebeziumServer
from dev.kafka.prepare import CONFIGS, TOPIC, variables
from tests.events.stack import DATABASE, Stack, running_stack
from tests.events.topic import Record, read
from tests.instance import FEEDBACK
from tests.operations_guide import guides_block
from tests.waiting import wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("replay")) as stack:
        yield stack


def post(stack: Stack, student: str, *messages: str) -> None:
    for message in messages:
        answer = stack.function.post({**FEEDBACK, "student_id": student, "message": message}, {})
        assert answer.status == 200


def messages_until(stack: Stack, student: str, last: str, times: int = 1) -> list[str]:
    """Return the student's messages on the topic, when the last one has come so many times."""

    def of_student(records: list[Record]) -> list[str]:
        return [record.row()["message"] for record in records if record.student == student]

    def is_there(records: list[Record]) -> bool:
        return of_student(records).count(last) >= times

    return of_student(read(stack.kafka.bootstrap, TOPIC, is_there))


@contextmanager
def replaying(stack: Stack, folder: Path, condition: str) -> Iterator[None]:
    """Run the second Debezium, with another condition."""
    lines = guides_block("ini", "initial_only").splitlines()
    settings = dict(line.split("=", 1) for line in lines)
    query = f"SELECT * FROM public.feedback WHERE {condition} ORDER BY created_at"
    settings["DEBEZIUM_SOURCE_SNAPSHOT_SELECT_STATEMENT_OVERRIDES_PUBLIC_FEEDBACK"] = query
    environ = {**variables(stack.postgres, DATABASE, stack.kafka), **settings}
    debezium = DebeziumServer(folder, environ)
    debezium.launch()
    try:
        wait_until(lambda: "Snapshot completed" in debezium.log, timeout=300)
        yield
    finally:
        debezium.stop()


def test_some_rows_again(stack: Stack, tmp_path: Path) -> None:
    """The selected rows come again, the others don't, and new ones come as usual."""
    one, other = str(uuid.uuid4()), str(uuid.uuid4())
    post(stack, one, "1", "2")
    post(stack, other, "other")
    with replaying(stack, tmp_path / "replay", f"student_id = '{one}'"):
        assert messages_until(stack, one, "2", times=2) == ["1", "2", "1", "2"]
        post(stack, other, "new")
        assert messages_until(stack, other, "new") == ["other", "new"]
    assert stack.run("SELECT slot_name FROM pg_replication_slots") == [["mentor_feedback"]]


def test_deleted_topic(stack: Stack) -> None:
    """Debezium waits for the topic, and loses no row that was written meanwhile."""
    student = str(uuid.uuid4())
    post(stack, student, "before")
    assert messages_until(stack, student, "before") == ["before"]
    admin = AdminClient({"bootstrap.servers": stack.kafka.bootstrap})
    admin.delete_topics([TOPIC])[TOPIC].result(30)
    post(stack, student, "meanwhile")
    wait_until(lambda: created(stack))
    post(stack, student, "after")
    assert messages_until(stack, student, "after") == ["meanwhile", "after"]


def created(stack: Stack) -> bool:
    """Create the topic, unless the old one is still being deleted."""
    try:
        stack.kafka.create_topic(TOPIC, 3, CONFIGS[TOPIC])
    except KafkaException:
        return False
    return True
