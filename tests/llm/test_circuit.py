"""After repeated failures the model is not asked for a while."""

from pathlib import Path

from tests.instance import Instance, running
from tests.llm.conftest import llm_environ, post
from tests.llm.server import ModelServer, answers, hang, replies


def analyzed(function: Instance, message: str = "hello") -> bool:
    """Whether the answer is based on the model's."""
    snapshot = post(function, message).json()["strategy_snapshot"]
    return bool(snapshot["feedback_based"])


def test_repeated_failures(llm_database: str, tmp_path: Path, model_server: ModelServer) -> None:
    """After five failures in a row, the model is not asked."""
    model_server.behavior = model_server.warm_up = hang
    environ = llm_environ("openai", model_server.url, LLM_TIMEOUT="0.3")
    with running(tmp_path / "log", llm_database, **environ) as function:
        function.wait_until_ready()
        assert [analyzed(function) for _ in range(5)] == [False] * 5
        model_server.behavior = answers()
        asked = len(model_server.requests)
        for _ in range(20):
            assert not analyzed(function)
        assert len(model_server.requests) == asked
        events = [event["event"] for event in function.events()]
        assert events.count("model failing, circuit open") == 1
        reasons = [event["reason"] for event in function.events() if "reason" in event]
        assert reasons == ["timeout"] * 5 + ["circuit open"] * 20


def test_failures_of_a_message(
    llm_database: str, tmp_path: Path, model_server: ModelServer
) -> None:
    """Failures that a message may cause do not open the circuit."""
    environ = llm_environ("openai", model_server.url)
    with running(tmp_path / "log", llm_database, **environ) as function:
        function.wait_until_ready()
        for behavior in (answers({}), replies(400)):
            model_server.behavior = behavior
            assert [analyzed(function) for _ in range(6)] == [False] * 6
        model_server.behavior = answers()
        assert analyzed(function)


def test_different_messages_are_refused(
    llm_database: str, tmp_path: Path, model_server: ModelServer
) -> None:
    """If all messages get 400, the model is not asked for a while, and the log says why."""
    body = b'{"error": {"code": "model_not_found", "type": "None", "message": "no such model"}}'
    model_server.behavior = replies(400, body)
    model_server.warm_up = hang  # an answer would close the circuit
    environ = llm_environ("openai", model_server.url)
    with running(tmp_path / "log", llm_database, **environ) as function:
        function.wait_until_ready()
        assert not any(analyzed(function, f"message {number}") for number in range(5))
        model_server.behavior = answers()
        assert not analyzed(function)
        events = [event for event in function.events() if not event.get("warm_up")]
        warnings = [event for event in events if "reason" in event]
        assert [one["reason"] for one in warnings] == ["status"] * 5 + ["circuit open"]
        assert (warnings[0]["error_code"], warnings[0]["error_type"]) == ("model_not_found", "None")
        assert "no such model" not in function.log


def test_long_messages_time_out(
    llm_database: str, tmp_path: Path, model_server: ModelServer
) -> None:
    """Long messages that take too long do not cut off the others."""
    model_server.behavior = hang
    environ = llm_environ("openai", model_server.url, LLM_TIMEOUT="0.5")
    with running(tmp_path / "log", llm_database, **environ) as function:
        function.wait_until_ready()
        assert not any(analyzed(function, str(number) * 5000) for number in range(6))
        model_server.behavior = answers()
        # On a busy machine, half a second may be too short for the first answer.
        assert any(analyzed(function) for _ in range(4))
