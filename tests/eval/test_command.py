"""`make eval` as a process, with providers on real sockets."""

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

from eval import examples
from tests.eval import provider
from tests.eval.tables import cells
from tests.instance import ROOT

COUNT = len(examples.load().examples)
BY_RULES = "by rules, not a model"


def environ(**variables: str) -> dict[str, str]:
    """Return the environment with these variables, and without a developer's own."""
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
def test_no_provider(missing: dict[str, str], named: str, tmp_path: Path) -> None:
    """Without a provider or key, rules answer, and every output mentions that."""
    file = tmp_path / "run.json"
    done = evaluate("--json", file, **missing)
    assert done.returncode == 0
    assert named in done.stderr
    assert "not a model" in done.stderr
    tables = [part for part in done.stdout.split("\n\n") if part.startswith("|")]
    assert len(tables) == 5
    assert all(BY_RULES in table.splitlines()[0] for table in tables)
    assert done.stdout.startswith(BY_RULES)
    assert json.loads(file.read_text())["by_rules"] is True


def test_provider(url: str) -> None:
    """A provider is measured, with tokens, cost and fallbacks."""
    done = evaluate("--price-in", "2", "--price-out", "10", **variables(url))
    assert done.returncode == 0, done.stderr
    assert BY_RULES not in done.stdout + done.stderr
    assert f"{COUNT} of {COUNT} asked, fallbacks: 1\n" in done.stderr
    assert "fallbacks: 1 (model-a, openai)" in done.stdout
    assert ["en-10", "refused"] in [line[:2] for line in cells(done.stdout, "en-10")]
    assert cells(done.stdout, "tokens in") == [["tokens in", f"{COUNT * provider.TOKENS_IN:,}"]]
    assert cells(done.stdout, "tokens out") == [["tokens out", f"{COUNT * provider.TOKENS_OUT:,}"]]
    assert cells(done.stdout, "cost of these") == [["cost of these", f"{COUNT * 0.0025:.4f}"]]
    assert cells(done.stdout, "cost of 1000") == [["cost of 1000", "2.50"]]


def test_outcomes(url: str) -> None:
    """Usable answers are counted, and the others by their reason."""
    count = len(examples.load().examples)
    shown = evaluate(**variables(url)).stdout
    assert cells(shown, "usable answers") == [["usable answers", f"{count - 1} of {count}"]]
    assert cells(shown, "fallbacks: refused") == [["fallbacks: refused", "1"]]
    assert cells(shown, "repaired: spelling") == [["repaired: spelling", "1"]]


def test_filter() -> None:
    """A danger that only the provider's filter sees is found, because the function stores it."""
    with provider.filtering() as url:
        shown = evaluate(**variables(url)).stdout
    [found] = cells(shown, "dangers found, of any kind")
    right, count = found[1].split(" of ")
    assert right == count != "0"
    assert cells(shown, "fallbacks: refused") == [["fallbacks: refused", str(COUNT)]]


def test_prices(url: str) -> None:
    """Prices can be set in the environment; without them, the cost is unknown."""
    prices = {"EVAL_PRICE_IN": "0", "EVAL_PRICE_OUT": "1000"}
    assert f"{COUNT * 0.05:.4f}" in evaluate(**prices, **variables(url)).stdout
    [cost] = cells(evaluate(**variables(url)).stdout, "cost of these")
    assert cost == ["cost of these", "unknown"]


def test_wrong_key(url: str, tmp_path: Path) -> None:
    """With a wrong key nothing is measured, and the key is never shown."""
    file = tmp_path / "run.json"
    done = evaluate("--json", file, **variables(url, key="sk-wrong-1b9d"))
    assert done.returncode == 1
    assert "nothing was measured" in done.stderr
    assert f"fallbacks: {COUNT}" in done.stdout
    assert cells(done.stdout, "en-01")[0][1] == "HTTP 401"
    assert "sk-wrong" not in done.stdout + done.stderr + file.read_text()


def test_no_server() -> None:
    """Without a server, all answers are fallbacks."""
    with socket.socket() as taken:  # bound, but it does not listen
        taken.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        done = evaluate("--concurrency", "30", **variables(nowhere))
    assert done.returncode == 1
    assert f"{COUNT} of {COUNT} asked, fallbacks: {COUNT}" in done.stderr
    assert cells(done.stdout, "en-01")[0][1] == "unreachable"
    assert cells(done.stdout, "second attempts")[0][1] == str(COUNT)


def test_saved_run(url: str, tmp_path: Path) -> None:
    """A saved run is compared without asking the model again."""
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
def test_wrong_options(arguments: list[str], text: str) -> None:
    """Wrong options are reported before the model is asked."""
    done = evaluate(*arguments)
    assert done.returncode == 2
    assert text in done.stderr
    assert "asked" not in done.stderr


def test_wrong_configuration() -> None:
    """A wrong configuration is reported as by the function."""
    done = evaluate(LLM_PROVIDER="openai", LLM_BASE_URL="ftp://x", LLM_API_KEY="k")
    assert done.returncode == 2
    named = [line.split(":")[0] for line in done.stderr.splitlines()[1:]]
    assert named == ["LLM_BASE_URL", "LLM_MODEL"]


def test_misspelled_provider() -> None:
    """A misspelled provider is an error, not a missing one."""
    done = evaluate(LLM_PROVIDER="opneai", LLM_MODEL="model-a")
    assert done.returncode == 2
    assert "LLM_PROVIDER: must be one of" in done.stderr


def test_ctrl_c() -> None:
    """Ctrl-C ends the command at once, without a stack trace."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        process = subprocess.Popen(
            [sys.executable, "-m", "eval"],
            cwd=ROOT,
            env=environ(**variables(url)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A background job, which this process may be, ignores SIGINT.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        )
        with silent.accept()[0]:
            process.send_signal(signal.SIGINT)
            stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert stdout == ""
    assert stderr.splitlines() == [f"Asking model-a at {url}"]
