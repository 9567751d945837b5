"""deploy/flink/windows.sql: its windows are those of the views, whatever happens meanwhile.

The tests run in this order, on one job.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dev.flink import JobManager, TaskManager
from dev.kafka.prepare import TOPIC
from tests.conftest import select
from tests.events.poison import headers, poison, value
from tests.events.raw import write_unreadable_header
from tests.events.topic import read_to_the_end
from tests.flink.flow import LIMIT, WINDOWS, Flow, started
from tests.waiting import wait_until

pytestmark = [pytest.mark.flink, pytest.mark.timeout(600)]

REVISE = """
INSERT INTO strategy_revision (feedback_id, feedback_created_at, student_id, task_id,
    perceived_difficulty, difficulty_adjustment, topic_weights, sentiment,
    strategy_snapshot, concern, traceparent)
SELECT id, created_at, student_id, task_id, 'hard', -0.5, '{"decimals": 1}', 'anxious',
    '{"feedback_based": true}', 'none', traceparent
FROM feedback WHERE created_at >= :since AND perceived_difficulty <> 'hard'
AND id NOT IN (SELECT feedback_id FROM strategy_revision) LIMIT 40
"""
DISCONNECT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'flink'"
ERASED = "INSERT INTO student_erasure (student_id) SELECT student_id FROM feedback LIMIT 1"
UNCOUNTED = "SELECT verdict, sum(records)::int AS records FROM insights_stream.uncounted GROUP BY 1"


@dataclass
class Running:
    """The job that counts, and the tasks that do its work."""

    flow: Flow
    manager: JobManager
    tasks: TaskManager

    def answer_and_compare(self) -> None:
        """Each partition gets more answers; the records before them were handled, too."""
        self.flow.answer(100)
        self.flow.wait_until_equal()

    def uncounted(self) -> dict[str, int]:
        rows = select(self.flow.connection, UNCOUNTED)
        return {row["verdict"]: row["records"] for row in rows}


@pytest.fixture(scope="module")
def running(flow: Flow) -> Iterator[Running]:
    flow.answer(300)
    manager = flow.job("windows")
    tasks = TaskManager(flow.folder / "tasks", manager)
    with started(manager, tasks):
        yield Running(flow, manager, tasks)


def test_windows_are_those_of_the_views(running: Running) -> None:
    running.flow.wait_until_equal()


def test_repeats_count_once(running: Running) -> None:
    records = read_to_the_end(running.flow.bootstrap, TOPIC)
    running.flow.produce([(record.key, record.headers, record.value) for record in records[:200]])
    running.answer_and_compare()


def test_a_revision_takes_the_place_of_the_first_strategy(running: Running) -> None:
    running.flow.connection.run(REVISE, since=running.flow.since)
    running.answer_and_compare()


def test_an_erasure_changes_no_count(running: Running) -> None:
    running.flow.connection.run(ERASED)
    running.answer_and_compare()


def test_foreign_records_do_not_stop_the_job(running: Running) -> None:
    broken = [
        (None, tuple(names), content)
        for names, content in poison()
        if ("ce_type", b"mentor.strategy.revised") not in names  # that one is an event
    ]
    broken.append((None, tuple(headers()), value(created_at="+10000-01-01T00:00:00Z")))
    running.flow.produce(broken)
    write_unreadable_header(running.flow.bootstrap, TOPIC, 0)
    running.answer_and_compare()
    assert 0 < running.uncounted()["broken"] < len(broken)
    assert not running.manager.job.has_restarted()


def test_a_name_that_postgresql_refuses_does_not_stop_the_job(running: Running) -> None:
    in_two_days = f"{datetime.now(UTC) + timedelta(days=2):%Y-%m-%dT%H:%M:%SZ}"
    record = value(task_id="a\0b", created_at=in_two_days)
    running.flow.produce([(None, tuple(headers()), record)])
    wait_until(lambda: any(row[3] == "ab" for row in running.flow.table()), LIMIT)
    assert not running.manager.job.has_restarted()


def test_an_answer_of_days_ago_corrects_its_windows(running: Running) -> None:
    running.flow.rows.add(datetime.now(UTC) - timedelta(days=6, hours=23))
    running.answer_and_compare()
    assert "late" not in running.uncounted()


def test_an_answer_of_more_than_a_week_ago_is_late(running: Running) -> None:
    running.flow.rows.add(datetime.now(UTC) - timedelta(days=8))
    running.answer_and_compare()
    wait_until(lambda: running.uncounted().get("late") == 1, LIMIT)


def test_a_killed_task_manager_loses_and_doubles_nothing(running: Running) -> None:
    before = running.flow.found()
    running.flow.answer(100)
    wait_until(lambda: running.flow.found() != before, LIMIT)  # the transaction in Kafka is open
    running.tasks.kill()
    running.flow.answer(100)
    running.tasks.start()
    running.answer_and_compare()
    assert running.manager.job.has_restarted()


def test_a_restart_from_a_savepoint_loses_and_doubles_nothing(running: Running) -> None:
    manager = running.manager
    manager.savepoint = manager.job.stop_with_savepoint((running.flow.folder / "saved").as_uri())
    assert manager.wait(60) == 0
    running.tasks.stop()  # it would look for its JobManager every 30 seconds only
    running.flow.answer(100)
    running.tasks.launch()
    manager.start()
    running.answer_and_compare()


def test_an_outage_of_postgresql_loses_and_doubles_nothing(running: Running) -> None:
    """The JDBC connector ends the process of the TaskManager then."""
    running.flow.connection.run("ALTER ROLE flink NOLOGIN")
    running.flow.connection.run(DISCONNECT)
    running.flow.answer(100)
    assert running.tasks.wait(LIMIT) == 1
    running.flow.connection.run("ALTER ROLE flink LOGIN")
    running.tasks.start()
    running.answer_and_compare()


def test_the_topic_has_each_change_once(running: Running) -> None:
    """The latest record of a key is its window, and no change comes twice.

    A count may go back and up again: a record may fall between the two steps of a revision.
    """
    manager, flow = running.manager, running.flow
    manager.job.stop_with_savepoint((flow.folder / "saved").as_uri())
    latest: dict[bytes, Any] = {}
    for record in read_to_the_end(flow.bootstrap, WINDOWS):
        key, window = record.key or b"", record.row()
        before = latest.pop(key, None)
        if window is None:
            continue  # a revision took the only answer of a topic
        assert window != before
        latest[key] = window
    assert sorted(map(_window, latest.values())) == sorted(flow.table())
    flow.wait_until_equal()


def test_a_start_without_state_counts_the_last_days_again(running: Running) -> None:
    """Windows of before INSIGHTS_SINCE stay, also those that are partly after it.

    The job reads answers and their revisions at once, and takes the topics of before back.
    """
    flow = running.flow
    since = flow.since + timedelta(days=5)
    flow.connection.run(REVISE, since=since + timedelta(hours=1))
    manager = flow.job("windows", since)
    with started(manager, TaskManager(flow.folder / "new-tasks", manager)):
        flow.answer(100, days=1)
        flow.wait_until_equal()


def _window(value: dict[str, Any]) -> tuple[Any, ...]:
    slide, start, *rest = value.values()
    return (slide, datetime.fromisoformat(start), *rest)
