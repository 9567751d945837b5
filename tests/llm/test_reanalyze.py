"""`python -m function.reanalyze`, as a process, with a real PostgreSQL and a test provider."""

import asyncio
import os
import subprocess
import sys
from argparse import Namespace

import pytest

from function.analysis import FALLBACK_STRATEGY
from function.domain import Concern, Feedback, Strategy
from function.llm.analyzer import LlmAnalyzer
from function.reanalyze import reanalyze
from function.settings import load
from tests.instance import ROOT
from tests.llm.reanalysis import (
    ANALYZED,
    FAST,
    OF_THE_ORIGINAL,
    TRACE,
    environ,
    execute,
    insert,
    revised,
    run,
    words,
)
from tests.llm.server import (
    Behavior,
    Exchange,
    ModelServer,
    answers,
    envelope,
    replies,
)

REFUSE_ALL = "ALTER TABLE strategy_revision ADD CHECK (false)"


def unless(message: str, then: Behavior) -> Behavior:
    """The model gives no answer that can be used to this message."""

    async def behave(exchange: Exchange) -> None:
        if f'{message}\\"' in exchange.body.decode():
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
    events = [line["event"] for line in log]
    assert events == [*["model answered", "strategy revised"] * 3, "reanalysis ended"]
    assert log[-1]["revised"] == 3
    assert len({line["row_id"] for line in log[:-1]}) == 3
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
    model_server.behavior = unless("words 1", answers())
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
