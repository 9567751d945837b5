"""The views, on a real PostgreSQL."""

import random
from collections import Counter, defaultdict
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from function.store import erasure
from function.store.driver import DatabaseError
from insights import database
from tests.conftest import open_connection, select
from tests.insights.conftest import Rows

pytestmark = pytest.mark.insights

BERLIN = ZoneInfo("Europe/Berlin")
SUMMER_ENDS = date(2025, 10, 26)  # 25 hours
SUMMER_BEGINS = date(2026, 3, 29)  # 23 hours


def all_of(rows: Rows, view: str, kind: str = "all") -> list[dict[str, Any]]:
    return select(rows.connection, f"SELECT * FROM insights.{view} WHERE kind = :kind", kind=kind)


@pytest.mark.parametrize(("day", "hours"), [(SUMMER_ENDS, 25), (SUMMER_BEGINS, 23)], ids=str)
def test_a_day_has_all_its_hours_when_the_clock_changes(rows: Rows, day: date, hours: int) -> None:
    midnight = datetime(day.year, day.month, day.day, tzinfo=BERLIN).astimezone(UTC)
    for hour in range(-1, hours + 1):  # the first and the last are on other days
        rows.add(midnight + timedelta(hours=hour, minutes=30))

    found = {row["day"]: row["answers"] for row in all_of(rows, "daily")}
    assert found == {day - timedelta(days=1): 1, day: hours, day + timedelta(days=1): 1}
    by_hour = select(
        rows.connection,
        "SELECT hour, answers FROM insights.hours(:since, :until) WHERE kind = 'all'",
        since=midnight,
        until=midnight + timedelta(hours=hours),
    )
    assert [row["answers"] for row in by_hour] == [1] * hours
    assert len({row["hour"] for row in by_hour}) == hours


@pytest.mark.parametrize("rolled_up", [False, True], ids=["at each query", "rolled up"])
def test_the_views_count_as_python_does(rows: Rows, *, rolled_up: bool) -> None:
    chance = random.Random(7)  # noqa: S311 - rows of a test
    expected: dict[tuple[str, str, str, date], Counter[str]] = defaultdict(Counter)
    now = datetime.now(UTC)
    for _ in range(300):
        at = now - timedelta(days=chance.uniform(0, 400))
        difficulty = chance.choice(["easy", "ok", "hard"])
        sentiment = chance.choice(["positive", "neutral", "anxious"])
        concern = chance.choice(["none", "unassessed", "abuse"])
        task, topics = f"task-{chance.randrange(3)}", chance.sample("abc", chance.randrange(3))
        rows.add(
            at,
            difficulty=difficulty,
            sentiment=sentiment,
            concern=concern,
            task=task,
            topics=tuple(topics),
            analyzed=concern != "unassessed",
        )
        day = at.astimezone(BERLIN).date()
        periods = {
            "daily": day,
            "weekly": day - timedelta(days=day.weekday()),
            "monthly": day.replace(day=1),
        }
        subjects = [("all", ""), ("task", task), *(("topic", topic) for topic in topics)]
        names = ["answers", difficulty, sentiment, f"concern_{concern}"]
        names.append("unread" if concern == "unassessed" else "analyzed")
        for view, period in periods.items():
            for kind, name in subjects:
                expected[view, kind, name, period].update(names)
    if rolled_up:
        database.roll_up(rows.connection)

    for view in ("daily", "weekly", "monthly"):
        for row in select(rows.connection, f"SELECT * FROM insights.{view}"):
            period, kind, name, *_ = row.values()
            counted = expected.pop((view, kind, name, period))
            del counted["concern_none"]
            measures = {key: value for key, value in list(row.items())[3:-1] if value}
            assert measures == counted
            assert row["students"] == 1
    assert not expected


REVISION = """
INSERT INTO strategy_revision (feedback_id, feedback_created_at, student_id, task_id,
    perceived_difficulty, difficulty_adjustment, topic_weights, sentiment, strategy_snapshot,
    concern, traceparent)
SELECT id, created_at, student_id, task_id, 'hard', -0.5, '{"decimals": 1}', 'anxious',
    '{"feedback_based": true, "model": "model-1"}', :concern, traceparent
FROM feedback WHERE id = :id
"""


def test_a_revised_strategy_counts_instead_of_the_first(rows: Rows) -> None:
    row_id = rows.add("2026-02-03T12:00:00Z", difficulty="ok", topics=("general",), analyzed=False)
    rows.add("2026-02-03T12:00:00Z", difficulty="easy")
    rows.connection.run(REVISION, id=row_id, concern="bullying")
    for _ in range(2):
        [day] = all_of(rows, "daily")
        assert (day["answers"], day["easy"], day["ok"], day["hard"]) == (2, 1, 0, 1)
        assert (day["analyzed"], day["anxious"], day["concern_bullying"]) == (2, 1, 1)
        assert {row["name"] for row in all_of(rows, "daily", "topic")} == {"decimals", "fractions"}
        database.roll_up(rows.connection)


def test_a_revised_strategy_does_not_take_back_a_concern(rows: Rows) -> None:
    """A provider's filter may see one that the model does not report."""
    for first, later in (("self_harm", "none"), ("abuse", "bullying"), ("unassessed", "none")):
        row_id = rows.add("2026-02-03T12:00:00Z", concern=first, analyzed=False)
        rows.connection.run(REVISION, id=row_id, concern=later)
    [day] = all_of(rows, "daily")
    concerns = {name: day[name] for name in day if name.startswith("concern_") and day[name]}
    assert concerns == {"concern_self_harm": 1, "concern_bullying": 1}


def test_a_model_has_not_read_what_the_stub_answered(rows: Rows) -> None:
    """Of an erased student, nothing tells whether a model has."""
    for student in (1, 2):
        rows.add("2026-02-02T12:00:00Z", student=student)
    row_id = rows.add("2026-02-02T12:00:00Z", student=3)
    rows.connection.run(
        "UPDATE feedback SET strategy_snapshot = strategy_snapshot - 'model' WHERE id = :id",
        id=row_id,
    )
    for _ in erasure.erase(rows.connection, UUID(int=1), {"fractions"}):
        pass
    [day] = all_of(rows, "daily")
    assert (day["answers"], day["analyzed"], day["unread"]) == (3, 1, 1)


def test_a_time_within_an_hour_does_not_single_out_an_answer(rows: Rows) -> None:
    for minute in (0, 15, 59):
        rows.add(f"2026-02-03T12:{minute}:00Z")
    rows.add("2026-02-03T13:00:00Z")
    found = select(
        rows.connection,
        "SELECT answers FROM insights.hours('2026-02-03T12:14Z', '2026-02-03T12:16Z')"
        " WHERE kind = 'all'",
    )
    assert [row["answers"] for row in found] == [3]


def test_a_long_name_does_not_stop_the_roll_up(rows: Rows) -> None:
    long = "".join(random.Random(7).choices("abcdefgh", k=9000))  # noqa: S311 - a name of a test
    rows.add("2026-02-03T12:00:00Z", task=long, topics=(long,))
    database.roll_up(rows.connection)
    for kind in ("task", "topic"):
        assert [row["name"] for row in all_of(rows, "daily", kind)] == [long[:255]]


def test_a_reader_reads_the_views_and_nothing_else(rows: Rows) -> None:
    rows.add(datetime.now(UTC))
    allowed = ["daily", "weekly", "monthly", "hourly", "hours(now() - interval '1 hour', now())"]
    rows.connection.run("SET SESSION AUTHORIZATION mentor_reader")
    for view in allowed:
        assert select(rows.connection, f"SELECT * FROM insights.{view}")
    for table in (
        *("public.feedback", "public.strategy_revision", "public.feedback_count"),
        *("insights.answer", "insights.history", "insights.cell", "insights.closed"),
    ):
        with pytest.raises(DatabaseError, match="permission denied"):
            rows.connection.run(f"SELECT FROM {table}")
    rows.connection.run("RESET SESSION AUTHORIZATION")


def test_an_unknown_time_zone_changes_nothing(rows: Rows, feedback_database: str) -> None:
    rows.add("2026-02-03T12:00:00Z")
    with (
        closing(open_connection(feedback_database)) as connection,
        pytest.raises(DatabaseError, match="there is no time zone Europe/Nowhere"),
    ):
        database.apply(connection, "Europe/Nowhere")
    assert [row["answers"] for row in all_of(rows, "daily")] == [1]


@pytest.mark.parametrize("rolled_up", [False, True], ids=["at each query", "rolled up"])
def test_erased_students_stay_counted(rows: Rows, *, rolled_up: bool) -> None:
    now = datetime.now(UTC)
    wednesday = now + timedelta(days=2 - now.weekday())  # deleted feedback has weeks in UTC
    for student in (1, 2):
        for weeks in (0, 0, 3, 60):
            rows.add(wednesday - timedelta(weeks=weeks), student=student, topics=("fractions",))
    if rolled_up:
        database.roll_up(rows.connection)
    before = [all_of(rows, "weekly", kind) for kind in ("all", "topic")]

    for _ in erasure.erase(rows.connection, UUID(int=1), {"fractions"}):
        pass
    for _ in range(2):
        after = [all_of(rows, "weekly", kind) for kind in ("all", "topic")]
        assert _difficulties(after) == _difficulties(before)
        database.roll_up(rows.connection)


def _difficulties(views: list[list[dict[str, Any]]]) -> list[list[tuple[Any, ...]]]:
    names = ("week", "name", "answers", "easy", "ok", "hard")
    return [sorted(tuple(row[name] for name in names) for row in view) for view in views]
