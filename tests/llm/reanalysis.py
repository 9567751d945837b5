"""Runs `python -m function.reanalyze` as a process, on rows that no model has analyzed."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from tests.conftest import open_connection, select
from tests.instance import ROOT
from tests.llm.conftest import llm_environ
from tests.llm.server import ModelServer

FAST = ("--per-minute", "100000")
FALLBACK = '{"difficulty_weight": 1.0, "feedback_based": false, "sentiment": "neutral"}'
ANALYZED = '{"difficulty_weight": 1.0, "feedback_based": true, "sentiment": "neutral"}'
OF_THE_ORIGINAL = '{"difficulty_weight": 0.5}'
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
INSERT = f"""
INSERT INTO feedback (student_id, task_id, message, perceived_difficulty, strategy_snapshot,
                      created_at, traceparent)
SELECT gen_random_uuid(), 'task', 'words ' || n, 'ok', CAST(:snapshot AS jsonb),
       timestamptz '2026-01-01' + n * interval '1 minute', '00-{TRACE}-00f067aa0ba902b7-01'
FROM generate_series(1, CAST(:count AS int)) AS n
"""
REVISIONS = """
SELECT message, feedback.student_id = revision.student_id AS of_the_student,
       feedback.task_id = revision.task_id AS of_the_task,
       feedback.created_at = feedback_created_at AS of_the_time,
       revision.perceived_difficulty::text, revision.strategy_snapshot, revision.concern,
       revision.traceparent
FROM strategy_revision AS revision JOIN feedback ON feedback.id = feedback_id
ORDER BY revision.created_at
"""


@dataclass(frozen=True)
class Job:
    """A run that has begun."""

    process: "subprocess.Popen[str]"

    def end(self) -> tuple[int, list[dict[str, Any]]]:
        """Wait for the exit code and the log."""
        log, _ = self.process.communicate(timeout=120)
        assert "words" not in log  # a student's
        return self.process.returncode, [json.loads(line) for line in log.splitlines()]


def environ(url: str, model_url: str) -> dict[str, str]:
    return {
        "DATABASE_URL": url,
        **llm_environ("openai", f"{model_url}/v1", LLM_TIMEOUT="14"),
    }


@contextmanager
def running(url: str, model: ModelServer | str, *options: str) -> Iterator[Job]:
    """Run the job until the end of the block at the latest."""
    model_url = model if isinstance(model, str) else model.url
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    with subprocess.Popen(
        [sys.executable, "-m", "function.reanalyze", *(options or FAST)],
        cwd=ROOT,
        env={**clean, **environ(url, model_url)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield Job(process)
        finally:
            process.kill()


def run(url: str, model: ModelServer | str, *options: str) -> tuple[int, list[dict[str, Any]]]:
    with running(url, model, *options) as job:
        return job.end()


def execute(url: str, sql: str, **parameters: object) -> None:
    with closing(open_connection(url)) as connection:
        connection.run(sql, **parameters)


def insert(url: str, count: int, snapshot: str = FALLBACK) -> None:
    execute(url, INSERT, count=count, snapshot=snapshot)


def revised(url: str) -> list[dict[str, Any]]:
    with closing(open_connection(url)) as connection:
        return select(connection, REVISIONS)


def words(url: str) -> list[str]:
    """The messages with a revision, in the order of the revisions."""
    return [row["message"] for row in revised(url)]
