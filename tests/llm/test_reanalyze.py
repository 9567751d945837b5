"""`python -m function.reanalyze`, as a process, with a real PostgreSQL and a test provider."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from argparse import Namespace
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from function.analysis import FALLBACK_STRATEGY
from function.domain import Concern, Feedback, Strategy
from function.llm.analyzer import LlmAnalyzer
from function.reanalyze import reanalyze
from function.settings import load
from function.store import revisions
from tests.conftest import open_connection, select
from tests.instance import ROOT
from tests.llm.conftest import llm_environ
from tests.llm.server import (
    Behavior,
    Exchange,
    ModelServer,
    answers,
    envelope,
    hang,
    in_turn,
    replies,
)
from tests.waiting import wait_until

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
REFUSE_ALL = "ALTER TABLE strategy_revision ADD CHECK (false)"
REVISIONS = """
SELECT message, feedback.student_id = revision.student_id AS of_the_student,
       feedback.task_id = revision.task_id AS of_the_task,
       feedback.created_at = feedback_created_at AS of_the_time,
       revision.perceived_difficulty::text, revision.strategy_snapshot, concern,
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


def unless(refused: str, then: Behavior) -> Behavior:
    """The model gives no answer that can be used to a message that ends so."""

    async def behave(exchange: Exchange) -> None:
        if f'{refused}\\"}}' in exchange.body.decode():
            await exchange.reply(200, envelope(exchange.path, "I'd rather not."))
        else:
            await then(exchange)

    return behave


def test_each_run_takes_the_oldest_rows_that_no_model_analyzed(
    feedback_database: str, model_server: ModelServer
) -> None:
    insert(feedback_database, 5)
    insert(feedback_database, 2, ANALYZED)
    insert(feedback_database, 2, OF_THE_ORIGINAL)
    code, log = run(feedback_database, model_server, "--limit", "3", *FAST)
    assert code == 0, log
    assert words(feedback_database) == ["words 1", "words 2", "words 3"]
    assert [line["event"] for line in log] == [*["strategy revised"] * 3, "reanalysis ended"]
    assert log[-1]["revised"] == 3
    assert len({line["row_id"] for line in log[:3]}) == 3
    for row in revised(feedback_database):
        assert row["of_the_student"] and row["of_the_task"] and row["of_the_time"]  # noqa: PT018
        assert row["perceived_difficulty"] == "hard"
        assert row["strategy_snapshot"]["feedback_based"] is True
        assert row["traceparent"].startswith(f"00-{TRACE}-")
    run(feedback_database, model_server)
    assert words(feedback_database) == [f"words {number}" for number in range(1, 6)]
    _, log = run(feedback_database, model_server)
    assert [(line["event"], line["revised"]) for line in log] == [("reanalysis ended", 0)]
    assert len(model_server.requests) == 5


def test_a_row_without_an_answer_is_left_for_the_next_run_and_blocks_no_other(
    feedback_database: str, model_server: ModelServer
) -> None:
    insert(feedback_database, 9)
    model_server.behavior = unless("1", answers())
    code, log = run(feedback_database, model_server)
    assert code == 0
    assert (log[-1]["revised"], log[-1]["left"]) == (8, 1)
    [row_id] = {line["row_id"] for line in log if line["event"] == "model gave no answer"}
    assert [line["row_id"] for line in log if line["event"] == "strategy not revised"] == [row_id]
    model_server.behavior = answers()
    run(feedback_database, model_server)
    assert words(feedback_database)[-1] == "words 1"


def test_a_model_that_is_down_ends_the_run(
    feedback_database: str, model_server: ModelServer
) -> None:
    insert(feedback_database, 20)
    model_server.behavior = replies(401)
    code, log = run(feedback_database, model_server)
    assert code == 1
    assert log[-1]["event"] == "reanalysis ended early"
    assert log[-1]["left"] < 20
    assert words(feedback_database) == []


def test_a_run_that_is_killed_has_lost_nothing(
    feedback_database: str, model_server: ModelServer
) -> None:
    insert(feedback_database, 9)
    for done in (3, 6):
        model_server.requests.clear()
        model_server.behavior = in_turn(*[answers()] * 3, hang)
        with running(feedback_database, model_server) as job:
            wait_until(lambda: len(model_server.requests) > 3)
            job.process.kill()
            job.process.wait()
        assert words(feedback_database) == [f"words {number + 1}" for number in range(done)]
    model_server.behavior = answers()
    code, log = run(feedback_database, model_server)
    assert code == 0, log
    assert words(feedback_database) == [f"words {number + 1}" for number in range(9)]


def test_of_two_runs_at_once_one_does_the_work(
    feedback_database: str, model_server: ModelServer
) -> None:
    insert(feedback_database, 3)
    go = threading.Event()
    model_server.behavior = answers(once=go)
    with running(feedback_database, model_server) as first:
        wait_until(lambda: model_server.requests != [])
        code, [line] = run(feedback_database, model_server)
        assert (code, line["reason"]) == (1, "another run is in progress")
        go.set()
        code, _ = first.end()
    assert code == 0
    assert len(words(feedback_database)) == len(model_server.requests) == 3


def test_a_second_revision_of_a_feedback_is_not_stored(
    feedback_database: str, model_server: ModelServer
) -> None:
    insert(feedback_database, 1)
    go = threading.Event()
    model_server.behavior = answers(once=go)
    with running(feedback_database, model_server) as job:
        wait_until(lambda: model_server.requests != [])
        with closing(open_connection(feedback_database)) as connection:
            [[row_id]] = connection.run("SELECT id FROM feedback")
            assert revisions.insert(connection, row_id, FALLBACK_STRATEGY, "theirs")
        go.set()
        code, log = job.end()
    assert (code, log[-1]["left"]) == (0, 1)
    assert [row["traceparent"] for row in revised(feedback_database)] == ["theirs"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_run_after_the_row(
    feedback_database: str, model_server: ModelServer, number: signal.Signals
) -> None:
    insert(feedback_database, 3)
    go = threading.Event()
    model_server.behavior = answers(once=go)
    with running(feedback_database, model_server, "--per-minute", "1") as job:
        wait_until(lambda: model_server.requests != [])
        job.process.send_signal(number)
        go.set()
        code, log = job.end()
    assert (code, log[-1]["reason"]) == (1, "stopped by a signal")
    assert words(feedback_database) == ["words 1"]


@pytest.mark.parametrize("erase", ["DELETE FROM feedback", "UPDATE feedback SET message = NULL"])
def test_what_is_erased_during_the_question_gets_no_revision(
    feedback_database: str, model_server: ModelServer, erase: str
) -> None:
    insert(feedback_database, 2)
    go = threading.Event()
    model_server.behavior = answers(once=go)
    with running(feedback_database, model_server) as job:
        wait_until(lambda: model_server.requests != [])
        execute(feedback_database, erase)
        go.set()
        code, log = job.end()
    assert (code, log[-1]["revised"]) == (0, 0)
    assert len(model_server.requests) == 1  # the second one was gone before its question
    assert revised(feedback_database) == []


def test_a_revision_that_postgresql_refuses_blocks_no_other(
    feedback_database: str, model_server: ModelServer
) -> None:
    insert(feedback_database, 3)
    execute(
        feedback_database,
        "ALTER TABLE strategy_revision ADD CHECK (feedback_created_at <> '2026-01-01 00:02Z')",
    )
    code, log = run(feedback_database, model_server)
    assert code == 0
    assert words(feedback_database) == ["words 1", "words 3"]
    [line] = [line for line in log if line["event"] == "revision refused"]
    assert line["reason"] == "SQLSTATE 23514"


class Worried(LlmAnalyzer):
    """The provider refuses the message, and says why."""

    async def analyze(self, feedback: Feedback) -> Strategy:
        return FALLBACK_STRATEGY._replace(concern=Concern.SELF_HARM)


@pytest.mark.parametrize(("damage", "level"), [("", "WARNING"), (REFUSE_ALL, "ERROR")])
def test_a_concern_is_logged_and_stored_even_without_a_strategy(
    feedback_database: str, caplog: pytest.LogCaptureFixture, damage: str, level: str
) -> None:
    insert(feedback_database, 1)
    if damage:
        execute(feedback_database, damage)
    settings = load(environ(feedback_database, "http://127.0.0.1:1"))
    assert settings.llm
    options = Namespace(limit=10, per_minute=10_000)
    assert asyncio.run(reanalyze(settings, Worried(settings.llm), options)) == 0
    [record] = [one for one in caplog.records if one.name == "function.safeguarding"]
    assert (record.levelname, vars(record)["concern"]) == (level, "self_harm")
    assert [row["concern"] for row in revised(feedback_database)] == (
        [] if damage else ["self_harm"]
    )


@pytest.mark.parametrize(
    "damage",
    [
        "DROP TABLE strategy_revision",
        "ALTER TABLE strategy_revision DROP COLUMN concern",
        "ALTER DATABASE {} SET default_transaction_read_only = on",
    ],
)
def test_where_nothing_can_be_stored_nothing_is_asked(
    feedback_database: str, model_server: ModelServer, damage: str
) -> None:
    insert(feedback_database, 1)
    execute(feedback_database, damage.format(feedback_database.rpartition("/")[2]))
    code, [line] = run(feedback_database, model_server)
    assert code == 1
    assert line["reason"].startswith("SQLSTATE ")
    assert model_server.requests == []


def test_a_database_that_is_away_is_told() -> None:
    code, [line] = run("postgresql://nobody@127.0.0.1:1/nothing", "http://127.0.0.1:1")
    assert (code, line["event"]) == (1, "reanalysis ended early")


@pytest.mark.parametrize("options", [["--limit", "0"], ["--per-minute", "-1"], ["--limit", "x"]])
def test_an_impossible_option_is_refused(options: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "function.reanalyze", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "must be a whole number above 0" in done.stderr


def test_without_a_model_there_is_nothing_to_do(feedback_database: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "function.reanalyze"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": feedback_database, "LLM_PROVIDER": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "LLM_PROVIDER" in done.stderr
