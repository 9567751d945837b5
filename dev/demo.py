"""A made-up school year, the same in each run: four classes, holidays, and one broken task."""

import json
import random
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from function.store.driver import Connection

TIME_ZONE = "Europe/Berlin"
FIRST_DAY, LAST_DAY = date(2025, 9, 8), date(2026, 7, 24)
HOLIDAYS = (
    (date(2025, 10, 27), date(2025, 11, 7)),
    (date(2025, 12, 22), date(2026, 1, 5)),
    (date(2026, 2, 16), date(2026, 2, 20)),
    (date(2026, 3, 30), date(2026, 4, 10)),
    (date(2026, 5, 25), date(2026, 6, 5)),
)
TOPICS = {  # in the order of the year, with the chance that a student finds a task hard
    "place-value": 0.1,
    "multiplication-division": 0.18,
    "factors-multiples": 0.25,
    "fractions": 0.42,
    "decimals": 0.25,
    "negative-numbers": 0.22,
    "percentages": 0.3,
    "lines-angles": 0.16,
    "perimeter-area": 0.24,
    "linear-equations": 0.38,
    "probability": 0.28,
}
BROKEN_TASK, BROKEN_WEEK = "percentages-1", date(2026, 3, 2)
CLASSES, STUDENTS = 4, 26  # students of each class
TASKS = 6  # of each topic
WORDS = {"easy": "That was easy.", "ok": "This task was fine.", "hard": "I don't get this."}
BROKEN_WORDS = "The answer that it wants can't be right, I tried everything."
INSERT = """
INSERT INTO feedback (id, student_id, task_id, message, perceived_difficulty, difficulty_adjustment,
                      topic_weights, sentiment, strategy_snapshot, concern, created_at)
SELECT id, student_id, task_id, message, perceived_difficulty, 0, topic_weights, sentiment,
       jsonb_strip_nulls(jsonb_build_object(
           'feedback_based', analyzed, 'model', CASE WHEN analyzed THEN 'model-1' END)),
       concern, created_at
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS answer (id uuid, student_id uuid, task_id text,
    message text, perceived_difficulty difficulty_level, topic_weights jsonb, sentiment text,
    analyzed boolean, concern text, created_at timestamptz)
"""


def insert(connection: Connection) -> None:
    """Insert the year's answers into `feedback`."""
    connection.run(INSERT, rows=json.dumps(list(answers()), default=str))


def answers() -> Iterator[dict[str, Any]]:
    """Yield the rows of `feedback`, in the order of their times."""
    chance = random.Random(2026)  # noqa: S311 - no secrets
    days = list(_school_days())
    for number, day in enumerate(days):
        for group in range(CLASSES):
            topic = list(TOPICS)[(number * len(TOPICS) // len(days) + 3 * group) % len(TOPICS)]
            task = f"{topic}-{number % TASKS + 1}"
            for place in sorted(chance.sample(range(STUDENTS), 15)):
                yield _answer(chance, day, topic, task, group * STUDENTS + place + 1)


def _school_days() -> Iterator[date]:
    for number in range((LAST_DAY - FIRST_DAY).days + 1):
        day = FIRST_DAY + timedelta(days=number)
        free = any(first <= day <= last for first, last in HOLIDAYS)
        if day.weekday() < 5 and not free:
            yield day


def _answer(
    chance: random.Random, day: date, topic: str, task: str, student: int
) -> dict[str, Any]:
    is_broken = task == BROKEN_TASK and day >= BROKEN_WEEK
    hard = 0.85 if is_broken else TOPICS[topic]
    analyzed = chance.random() < 0.97
    levels = ("hard", "ok", "easy")
    difficulty = chance.choices(levels, (hard, (1 - hard) * 0.6, (1 - hard) * 0.4))[0]
    moods = {"hard": ("frustrated", "confused", "anxious"), "ok": ("neutral", "positive")}
    at = datetime.combine(day, time(8), ZoneInfo(TIME_ZONE)) + timedelta(hours=6 * chance.random())
    return {
        "id": UUID(int=chance.getrandbits(128), version=4),
        "student_id": UUID(int=student),
        "task_id": task,
        "message": BROKEN_WORDS if is_broken and difficulty == "hard" else WORDS[difficulty],
        "perceived_difficulty": difficulty if analyzed else "ok",
        "topic_weights": {topic: 1},
        "sentiment": chance.choice(moods.get(difficulty, ("positive", "bored")))
        if analyzed
        else "neutral",
        "analyzed": analyzed,
        "concern": "none" if analyzed and chance.random() < 0.999 else "unassessed",
        "created_at": at,
    }
