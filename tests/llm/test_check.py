"""`python -m function.llm.check` says whether the model works, and what its server takes."""

import os
import signal
import subprocess
import sys

import pytest

from dev.ports import free_port
from tests.instance import ROOT
from tests.llm.conftest import KEY, MODEL, llm_environ
from tests.llm.server import ModelServer, answers, hang, refuses, replies, says, sleeps
from tests.signals import receivable
from tests.waiting import wait_until

CHECK = [sys.executable, "-m", "function.llm.check"]


def check(**environ: str) -> "subprocess.CompletedProcess[str]":
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LLM_")}
    done = subprocess.run(
        CHECK, cwd=ROOT, env={**clean, **environ}, text=True, capture_output=True, check=False
    )
    assert KEY not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def lines(done: "subprocess.CompletedProcess[str]") -> dict[str, str]:
    """The report: names and what is said about each."""
    return {line[:17].strip(): line[18:] for line in done.stdout.splitlines()}


def test_a_model_that_works(provider: str, model_server: ModelServer) -> None:
    model_server.behavior = refuses("temperature")
    done = check(**llm_environ(provider, model_server.url, LLM_TIMEOUT="20"))
    report = lines(done)
    assert (done.returncode, done.stderr) == (0, "")
    assert report["Asking"].startswith(f"{MODEL} at {model_server.url}")
    assert report["Answer"] == "usable: hard (-0.6), frustrated, decimals 0.25, fractions 0.75"
    assert report["Latency"].endswith("s, 2 requests")
    assert report["Tokens"] == "1900 in, 60 out"
    assert report["Sent temperature"] == "the server's default"
    assert "The model works." in done.stdout


def test_a_model_that_sleeps(model_server: ModelServer) -> None:
    """The check waits for a model that is being loaded, and says that it took long."""
    model_server.behavior = sleeps(3)
    done = check(**llm_environ("openai", model_server.url, LLM_TIMEOUT="1"))
    assert done.returncode == 0
    assert "The server may have loaded the model" in done.stdout


def test_a_key_that_is_refused(model_server: ModelServer) -> None:
    error = b'{"error": {"code": "invalid_api_key", "message": "Incorrect key: %s"}}'
    model_server.behavior = replies(401, error % KEY.encode())
    done = check(**llm_environ("openai", model_server.url))
    assert done.returncode == 1
    assert lines(done)["Answer"] == "not usable: status 401 code=invalid_api_key. Is the key right?"


@pytest.mark.parametrize("text", ["Sure!", ""])
def test_an_answer_that_can_not_be_used(text: str, model_server: ModelServer) -> None:
    model_server.behavior = says(text)
    done = check(**llm_environ("openai", model_server.url, LLM_TIMEOUT="20"))
    assert done.returncode == 1
    assert "not usable: invalid answer" in done.stdout


def test_a_server_that_does_not_run() -> None:
    done = check(**llm_environ("openai", f"http://127.0.0.1:{free_port()}"))
    assert done.returncode == 1
    assert "not usable: unreachable. Is the server running" in done.stdout


@receivable(signal.SIGINT)
def test_ctrl_c(model_server: ModelServer) -> None:
    model_server.behavior = hang
    environ = {**os.environ, **llm_environ("openai", model_server.url)}
    with subprocess.Popen(CHECK, cwd=ROOT, env=environ, text=True, stderr=subprocess.PIPE) as done:
        wait_until(lambda: len(model_server.requests) == 1)
        done.send_signal(signal.SIGINT)
        assert done.communicate(timeout=60)[1] == ""
        assert done.returncode == 130


def test_a_misspelled_name(model_server: ModelServer) -> None:
    environ = llm_environ("openai", model_server.url, LLM_TIMEOUT="20")
    report = lines(check(**environ, LLM_TEMPRATURE="0"))
    assert report["Not read"] == "LLM_TEMPRATURE: correct the names"


def test_a_wrong_configuration(model_server: ModelServer) -> None:
    model_server.behavior = answers()
    url = f"{model_server.url}/api/chat"
    done = check(**llm_environ("openai", url, LLM_MODEL="", LLM_REASONING_EFFORT="much"))
    assert done.returncode == 1
    assert done.stdout == ""
    names = [line.partition(":")[0] for line in done.stderr.splitlines()[1:]]
    assert names == ["LLM_REASONING_EFFORT", "LLM_BASE_URL", "LLM_MODEL"]


def test_the_stub() -> None:
    done = check()
    assert (done.returncode, done.stdout) == (1, "")
    assert "LLM_PROVIDER" in done.stderr
