"""Runs `python -m function.erase` and `python -m function.retention` on rows with known words."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any
from uuid import uuid4

from tests.conftest import open_connection
from tests.instance import ROOT

WORD = "xylophone"
INSERT = f"""
INSERT INTO feedback (student_id, task_id, message, perceived_difficulty, topic_weights,
                      strategy_snapshot, created_at, traceparent, concern)
SELECT CAST(:student AS uuid), 'task of {WORD}', 'the {WORD} hurts', 'hard',
       '{{"fractions": 0.5, "{WORD}": 0.5}}', '{{"topics": ["{WORD}"]}}',
       CAST(:at AS timestamptz) + n * interval '1 second', 'trace of {WORD}', 'abuse'
FROM generate_series(1, CAST(:count AS int)) AS n
"""
REVISE = f"""
INSERT INTO strategy_revision (
    feedback_id, feedback_created_at, student_id, task_id, perceived_difficulty,
    difficulty_adjustment, topic_weights, sentiment, strategy_snapshot, concern, traceparent)
SELECT id, created_at, student_id, task_id, 'easy', 1, '{{"algebra": 1}}', '{WORD}', '{{}}',
       'none', traceparent
FROM feedback WHERE student_id = CAST(:student AS uuid) ORDER BY created_at LIMIT 1
"""
COUNTS = "SELECT week::text, perceived_difficulty::text, topic, number FROM feedback_count"
MONDAY = "2026-03-02"
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"


class Ended:
    """The exit code and the log of a run."""

    def __init__(self, code: int, output: str) -> None:
        self.code = code
        self.output = output

    def lines(self, event: str) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in self.output.splitlines()]
        return [line for line in found if line["event"] == event]


def environ(url: str, **more: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**clean, "DATABASE_URL": url, "LOG_LEVEL": "INFO", **more}


@contextmanager
def running(url: str, *command: str, **more: str) -> Iterator["subprocess.Popen[str]"]:
    """Run a module until the end of the block at the latest."""
    with subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env=environ(url, **more),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def run(url: str, *command: str, stdin: str = "", **more: str) -> Ended:
    with running(url, *command, **more) as process:
        output, _ = process.communicate(stdin, timeout=120)
        return Ended(process.returncode, output)


def erase(url: str, *options: str, stdin: str = "") -> Ended:
    return run(url, "function.erase", *options, stdin=stdin)


def retain(url: str, days: str) -> Ended:
    return run(url, "function.retention", RETENTION_DAYS=days)


def execute(url: str, sql: str, **parameters: object) -> Any:
    with closing(open_connection(url)) as connection:
        return connection.run(sql, **parameters)


def insert(url: str, count: int = 3, at: str = f"{MONDAY} 10:00Z", student: str = "") -> str:
    """Insert feedback of a student, a new one if none is named; return the student."""
    student = student or str(uuid4())
    execute(url, INSERT, student=student, count=count, at=at)
    return student


def counts(url: str) -> list[tuple[Any, ...]]:
    return sorted(tuple(row) for row in execute(url, COUNTS))


def places_of(url: str, text: str) -> list[str]:
    """The tables of the service with a row that has the text, in any column."""
    with closing(open_connection(url)) as connection:
        tables = [name for [name] in connection.run(TABLES)]
        return [
            table
            for table in sorted(tables)
            if connection.run(
                f"SELECT FROM {table} AS row WHERE strpos(row::text, :text) > 0", text=text
            )
        ]
