"""A mistake in the configuration of `make run` and `make migrate` is named, and soon."""

from pathlib import Path

import pytest

from tests.instance import ROOT
from tests.migrate.gate import gate
from tests.migrate.job import address
from tests.run.clone import make_run, run

HANGING_DNS = str(ROOT / "tests/llm/hanging_dns")


@pytest.mark.parametrize("module", ["dev.run", "dev.database"])
def test_a_database_that_does_not_exist_is_named_at_once(module: str, database: str) -> None:
    code, said = run(module, DATABASE_URL=address(database, database="no_such_database"))

    assert code == 1
    assert said.count('database "no_such_database" does not exist') == 1
    assert "Waiting does not cure this: check DATABASE_URL" in said
    assert "Migrating" not in said


def test_a_wrong_password_is_named_at_once_and_not_quoted(database: str) -> None:
    refused = ("28P01", 'password authentication failed for user "mentor"')
    with gate(database, [refused]) as url:
        code, said = run("dev.database", DATABASE_URL=address(url, login="mentor:s3cr3t"))

    assert code == 1
    assert said.count("password authentication failed") == 1
    assert "s3cr3t" not in said


def test_a_server_without_the_tls_that_is_demanded_is_named(database: str) -> None:
    code, said = run("dev.database", DATABASE_URL=f"{database}?sslmode=require")

    assert code == 1
    assert said.count("the server offers no TLS") == 1
    assert "Check DATABASE_URL" in said


def test_a_server_that_starts_is_waited_for_and_the_reason_said_once(database: str) -> None:
    starting = ("57P03", "the database system is starting up")
    with gate(database, [starting] * 3) as url:
        said = run("dev.database", DATABASE_URL=url)[1]

    assert said.count("the database system is starting up") == 1
    assert "Migrating the database" in said


def test_a_home_that_can_not_be_written_is_named() -> None:
    code, said = run("dev.tools", HOME="/dev/null/home", XDG_CACHE_HOME="")

    assert code == 1
    assert "/dev/null/home" in said
    assert "HOME=/path/to/folder make" in said
    assert "Traceback" not in said


def test_a_name_server_that_does_not_answer_is_given_up(database: str) -> None:
    url = address(database, server="hangs.test:5432")

    code, said = run("dev.database", DATABASE_URL=url, PYTHONPATH=HANGING_DNS)

    assert code == 1
    assert "hangs.test:5432: no connection in 8 seconds. Check DATABASE_URL" in said


@pytest.mark.parametrize(
    ("variables", "strategy"),
    [
        ({}, "the stub's, always the same (LLM_PROVIDER sets a model)"),
        (
            {
                "LLM_PROVIDER": "openai",
                "LLM_MODEL": "qwen3:8b",
                "LLM_BASE_URL": "http://127.0.0.1:1/v1",
                "LLM_API_KEY": "s3cr3t",
            },
            "from the model qwen3:8b (openai); the neutral one while it is loading",
        ),
    ],
    ids=["stub", "model"],
)
def test_the_banner_says_where_strategies_come_from(
    database: str, tmp_path: Path, variables: dict[str, str], strategy: str
) -> None:
    with make_run(ROOT, tmp_path / "log", DATABASE_URL=database, **variables) as served:
        assert f"The strategy    {strategy}\n" in served.log
        assert "s3cr3t" not in served.log
