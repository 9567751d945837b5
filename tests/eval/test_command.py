"""`make eval` as its users run it: a process, and providers on real sockets."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.eval import provider
from tests.eval.tables import cells
from tests.instance import ROOT

BY_RULES = "by rules, not a model"


def environ(**variables: str) -> dict[str, str]:
    """These variables, and none that a developer may have set."""
    others = {
        name: value for name, value in os.environ.items() if not name.startswith(("LLM_", "EVAL_"))
    }
    return {**others, **variables}


def evaluate(*arguments: str | Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "eval", *arguments],
        cwd=ROOT,
        env=environ(**variables),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def variables(url: str, key: str = provider.KEY) -> dict[str, str]:
    return {
        "LLM_PROVIDER": "openai",
        "LLM_BASE_URL": url,
        "LLM_MODEL": "model-a",
        "LLM_API_KEY": key,
    }


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with provider.serving() as found:
        yield found


@pytest.mark.parametrize(
    ("missing", "named"),
    [({}, "LLM_PROVIDER"), ({"LLM_PROVIDER": "openai", "LLM_MODEL": "model-a"}, "LLM_API_KEY")],
)
def test_without_a_provider_or_key_rules_answer_and_every_output_says_so(
    missing: dict[str, str], named: str, tmp_path: Path
) -> None:
    file = tmp_path / "run.json"
    done = evaluate("--json", file, **missing)
    assert done.returncode == 0
    assert named in done.stderr
    assert "not a model" in done.stderr
    tables = [part for part in done.stdout.split("\n\n") if part.startswith("|")]
    assert len(tables) == 4
    assert all(BY_RULES in table.splitlines()[0] for table in tables)
    assert done.stdout.startswith(BY_RULES)
    assert json.loads(file.read_text())["by_rules"] is True


def test_a_provider_is_measured_with_tokens_cost_and_fallbacks(url: str) -> None:
    done = evaluate("--price-in", "2", "--price-out", "10", **variables(url))
    assert done.returncode == 0, done.stderr
    assert BY_RULES not in done.stdout + done.stderr
    assert "60 of 60 asked, fallbacks: 1\n" in done.stderr
    assert "fallbacks: 1 (model-a, openai)" in done.stdout
    assert ["en-10", "refused"] in [line[:2] for line in cells(done.stdout, "en-10")]
    assert cells(done.stdout, "tokens in") == [["tokens in", "60,000"]]
    assert cells(done.stdout, "tokens out") == [["tokens out", "3,000"]]
    assert cells(done.stdout, "cost of these") == [["cost of these", "0.1500"]]
    assert cells(done.stdout, "cost of 1000") == [["cost of 1000", "2.50"]]


def test_prices_may_come_from_the_environment_and_are_unknown_otherwise(url: str) -> None:
    prices = {"EVAL_PRICE_IN": "0", "EVAL_PRICE_OUT": "1000"}
    assert "3.0000" in evaluate(**prices, **variables(url)).stdout
    [cost] = cells(evaluate(**variables(url)).stdout, "cost of these")
    assert cost == ["cost of these", "unknown"]


def test_a_wrong_key_measures_nothing_says_why_and_never_shows_the_key(
    url: str, tmp_path: Path
) -> None:
    file = tmp_path / "run.json"
    done = evaluate("--json", file, **variables(url, key="sk-wrong-1b9d"))
    assert done.returncode == 1
    assert "nothing was measured" in done.stderr
    assert "fallbacks: 60" in done.stdout
    assert cells(done.stdout, "en-01")[0][1] == "HTTP 401"
    assert "sk-wrong" not in done.stdout + done.stderr + file.read_text()


def test_a_server_that_is_not_there_makes_fallbacks() -> None:
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        done = evaluate("--concurrency", "30", **variables(nowhere))
    assert done.returncode == 1
    assert "60 of 60 asked, fallbacks: 60" in done.stderr
    assert cells(done.stdout, "en-01")[0][1] == "unreachable"
    assert cells(done.stdout, "second attempts")[0][1] == "60"


def test_a_saved_run_is_compared_without_asking_again(url: str, tmp_path: Path) -> None:
    by_rules, by_model = tmp_path / "rules.json", tmp_path / "model.json"
    evaluate("--json", by_rules)
    done = evaluate("--json", by_model, "--compare", by_rules, **variables(url))
    assert done.returncode == 0, done.stderr
    assert f"Before: {BY_RULES}" in done.stdout
    assert "Now:    model-a, openai" in done.stdout
    compared = done.stdout.split("Before:")[1].split("\n\n")
    heads = [re.split(r" *\| *", part.splitlines()[0]) for part in compared if part[0] == "|"]
    assert len(heads) == 3
    assert all({f"before ({BY_RULES})", "now"} <= set(head) for head in heads)
    [changed] = cells(done.stdout, "en-10")[-1:]
    assert changed[3] == "(fallback: refused)"
    assert changed[-1] == "lost"
    again = evaluate("--saved", by_model, "--compare", by_rules)
    assert (again.returncode, again.stdout) == (0, done.stdout)
    assert again.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--compare", "no-such.json"], "no-such.json: No such file"),
        (["--saved", "pyproject.toml"], "pyproject.toml: not a saved run"),
        (["--json", "no-such/run.json"], "there is no folder no-such"),
        (["--json", "tests"], "tests is a folder"),
        (["--price-in", "1"], "go together"),
        (["--concurrency", "0"], "must be at least 1"),
    ],
)
def test_what_is_asked_for_wrongly_is_said_before_anything_is_asked(
    arguments: list[str], text: str
) -> None:
    done = evaluate(*arguments)
    assert done.returncode == 2
    assert text in done.stderr
    assert "asked" not in done.stderr


def test_a_wrong_configuration_is_named_as_the_function_names_it() -> None:
    done = evaluate(LLM_PROVIDER="openai", LLM_BASE_URL="ftp://x", LLM_API_KEY="k")
    assert done.returncode == 2
    named = [line.split(":")[0] for line in done.stderr.splitlines()[1:]]
    assert named == ["LLM_BASE_URL", "LLM_MODEL"]


def test_a_misspelt_provider_is_not_taken_for_none() -> None:
    done = evaluate(LLM_PROVIDER="opneai", LLM_MODEL="model-a")
    assert done.returncode == 2
    assert "LLM_PROVIDER: must be one of" in done.stderr


def test_ctrl_c_ends_it_at_once_and_quietly() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        process = subprocess.Popen(
            [sys.executable, "-m", "eval"],
            cwd=ROOT,
            env=environ(**variables(url)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A job in the background, as these tests may be, has Ctrl-C ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        )
        with silent.accept()[0]:
            process.send_signal(signal.SIGINT)
            stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert stdout == ""
    assert stderr.splitlines() == [f"Asking model-a at {url}"]
