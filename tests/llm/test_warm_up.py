"""A sleeping model is woken in the background, and a failing one is tried there."""

from pathlib import Path
from typing import Any

import pytest

from tests.instance import HOSTS, Instance, running
from tests.llm.conftest import llm_environ, post
from tests.llm.server import ModelServer, answers, hang, replies, sleeps
from tests.waiting import wait_until


def analyzed(function: Instance) -> bool:
    """Whether the answer is based on the model's."""
    return bool(post(function, "hello").json()["strategy_snapshot"]["feedback_based"])


def warm_ups(function: Instance) -> list[dict[str, Any]]:
    """The lines in the log of the questions that were asked in the background."""
    return [event for event in function.events() if event.get("warm_up")]


def test_sleeping_model(llm_database: str, tmp_path: Path, model_server: ModelServer) -> None:
    """A model wakes that takes longer to load than LLM_TIMEOUT, and longer than any student."""
    model_server.behavior = model_server.warm_up = sleeps(6)
    environ = llm_environ("openai", model_server.url, LLM_TIMEOUT="2")
    with running(tmp_path / "log", llm_database, **environ) as function:
        function.wait_until_ready()
        assert not analyzed(function)
        wait_until(lambda: analyzed(function))
        lines = warm_ups(function)
        assert lines[0]["duration_ms"] > 2000
        assert {(line["input_tokens"], line.get("request_id")) for line in lines} == {(1900, None)}


def test_model_falls_asleep(llm_database: str, tmp_path: Path, model_server: ModelServer) -> None:
    """A question that times out begins a warm-up, before the circuit opens."""
    environ = llm_environ("openai", model_server.url, LLM_TIMEOUT="2")
    with running(tmp_path / "log", llm_database, **environ) as function:
        function.wait_until_ready()
        wait_until(lambda: len(warm_ups(function)) == 1)
        model_server.behavior = model_server.warm_up = sleeps(6)
        assert not analyzed(function)
        wait_until(lambda: len(warm_ups(function)) == 2)
        assert analyzed(function)
        assert "circuit open" not in function.log


def test_circuit_closes(llm_database: str, tmp_path: Path, model_server: ModelServer) -> None:
    """While the circuit is open, the background tries the model, and no request does."""
    model_server.behavior = model_server.warm_up = replies(500)
    environ = llm_environ("openai", model_server.url)
    with running(tmp_path / "log", llm_database, **environ) as function:
        function.wait_until_ready()
        assert [analyzed(function) for _ in range(5)] == [False] * 5
        asked = len(model_server.requests)
        wait_until(lambda: len(model_server.warm_ups) >= 4)  # two attempts each
        assert not analyzed(function)
        assert len(model_server.requests) == asked
        model_server.behavior = model_server.warm_up = answers()
        wait_until(lambda: "model back, circuit closed" in function.log)
        assert analyzed(function)


def test_slow_model(llm_database: str, tmp_path: Path, model_server: ModelServer) -> None:
    """A model that is awake, but slower than LLM_TIMEOUT, is named so."""
    model_server.warm_up = answers(after=1.5)
    environ = llm_environ("openai", model_server.url, LLM_TIMEOUT="1")
    with running(tmp_path / "log", llm_database, **environ) as function:
        function.wait_until_ready()
        wait_until(lambda: "model slower than LLM_TIMEOUT" in function.log)
        assert len(warm_ups(function)) == 2  # the first may include the load


@pytest.mark.parametrize("host", HOSTS)
def test_shutdown(host: str, llm_database: str, tmp_path: Path, model_server: ModelServer) -> None:
    """The end of the process does not wait for a warm-up."""
    model_server.warm_up = hang
    environ = llm_environ("openai", model_server.url, LLM_TIMEOUT="2")
    with running(tmp_path / "log", llm_database, host, **environ) as function:
        function.wait_until_ready()
        wait_until(lambda: len(model_server.warm_ups) == 1)
        assert function.terminate() == 0
        assert "Traceback" not in function.log
