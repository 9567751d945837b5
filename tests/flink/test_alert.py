"""deploy/flink/alert.sql: it fires once for a task that gets hard, and not for others.

All answers are of one student, so two of the three partitions have no record: without
table.exec.source.idle-timeout no window would end.
"""

import random
from datetime import UTC, datetime, timedelta

import pytest

from dev.flink import TaskManager
from dev.kafka.prepare import TOPIC
from tests.events.topic import Record, read, read_to_the_end
from tests.flink.flow import ALERTS, LIMIT, Flow, started
from tests.waiting import wait_until

pytestmark = [pytest.mark.flink, pytest.mark.timeout(600)]

BEFORE, AFTER = 0.15, 0.75  # shares of "hard"
SURGE, PAUSE, LATER_SURGE, END = 150, 200, 240, 300  # minutes


def test_alert(flow: Flow) -> None:
    job = flow.job("alert")
    with started(job, TaskManager(flow.folder / "alert-tasks", job)):
        hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        answers = Answers(flow, hour - timedelta(hours=6))
        answers.insert(range(PAUSE))
        repeat_hard_answers(flow, answers.number)
        answers.insert(range(PAUSE, END))
        flow.rows.add(hour, task=None)  # ends the windows before it
        wait_until(lambda: {"surging", "later"} <= {*alerts(flow)}, LIMIT)
        job.job.stop_with_savepoint((flow.folder / "saved").as_uri())
    assert sorted(alerts(flow)) == ["later", "surging"]


class Answers:
    """Answers to five tasks, from a time on."""

    def __init__(self, flow: Flow, start: datetime) -> None:
        self.flow = flow
        self.number = 0
        self._start = start
        self._chance = random.Random(7)  # noqa: S311 - rows of a test

    def insert(self, minutes: range) -> None:
        """One answer each minute to each task, and one each 12 minutes to one of them."""
        for minute in minutes:
            self._insert(minute, "surging", BEFORE if minute < SURGE else AFTER)
            self._insert(minute, "later", BEFORE if minute < LATER_SURGE else AFTER)
            self._insert(minute, "noise", 0.3)
            self._insert(minute, "repeated", 0.25)
            if minute % 12 == 0:
                self._insert(minute, "few answers", 0 if minute < SURGE else 1)

    def _insert(self, minute: int, task: str, hard_share: float) -> None:
        difficulty = "hard" if self._chance.random() < hard_share else "ok"
        self.flow.rows.add(
            self._start + timedelta(minutes=minute), task=task, difficulty=difficulty
        )
        self.number += 1


def repeat_hard_answers(flow: Flow, number: int) -> None:
    """Write the records of the last ten hard answers to a task five times again."""
    records = read(flow.bootstrap, TOPIC, lambda found: len(found) >= number)
    hard = [record for record in records if is_hard(record)][-10:]
    flow.produce([(record.key, record.headers, record.value) for record in hard * 5])


def is_hard(record: Record) -> bool:
    row = record.row()
    return bool(row["task_id"] == "repeated" and row["perceived_difficulty"] == "hard")


def alerts(flow: Flow) -> list[str]:
    """The tasks of all alerts."""
    return [(record.key or b"").decode() for record in read_to_the_end(flow.bootstrap, ALERTS)]
