"""A run that is killed, stopped or overtaken loses nothing, and stores nothing twice."""

import signal
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from function.analysis import FALLBACK_STRATEGY
from function.store import revisions
from tests.conftest import open_connection
from tests.llm.reanalysis import (
    Job,
    execute,
    insert,
    revised,
    run,
    running,
    words,
)
from tests.llm.server import (
    ModelServer,
    answers,
    hang,
    in_turn,
)
from tests.waiting import wait_until


@contextmanager
def asking(
    database: str, model_server: ModelServer, *options: str
) -> Iterator[tuple[Job, threading.Event]]:
    """A job whose first question is under way. The model answers it when the event is set."""
    go = threading.Event()
    model_server.behavior = answers(once=go)
    with running(database, model_server, *options) as job:
        wait_until(lambda: model_server.requests != [])
        yield job, go


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
    with asking(feedback_database, model_server) as (first, go):
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
    with asking(feedback_database, model_server) as (job, go):
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
    with asking(feedback_database, model_server, "--per-minute", "1") as (job, go):
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
    with asking(feedback_database, model_server) as (job, go):
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
