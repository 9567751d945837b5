"""After repeated failures nobody waits; one request tries, and its success lets all through."""

from pathlib import Path

from tests.instance import Instance, running
from tests.llm.conftest import llm_environ, post
from tests.llm.server import ModelServer, answers, hang, replies


def analysed(function: Instance) -> bool:
    """Whether the model was heard."""
    snapshot = post(function, "hello").json()["strategy_snapshot"]
    return bool(snapshot["feedback_based"])


def test_after_five_failures_the_model_is_left_alone(
    llm_database: str, tmp_path: Path, model_server: ModelServer
) -> None:
    model_server.behaviour = hang
    environ = llm_environ("openai", model_server.url, LLM_TIMEOUT="0.3")
    with running(tmp_path / "log", llm_database, **environ) as function:
        function.wait_until_ready()
        assert [analysed(function) for _ in range(5)] == [False] * 5
        model_server.behaviour = answers()
        asked = len(model_server.requests)
        for _ in range(20):
            assert not analysed(function)
        assert len(model_server.requests) == asked
        events = [event["event"] for event in function.events()]
        assert events.count("model failing, circuit open") == 1
        reasons = [event.get("reason") for event in function.events() if "reason" in event]
        assert reasons == ["timeout"] * 5 + ["circuit open"] * 20


def test_what_a_message_brings_about_does_not_open_the_circuit(
    llm_database: str, tmp_path: Path, model_server: ModelServer
) -> None:
    environ = llm_environ("openai", model_server.url)
    with running(tmp_path / "log", llm_database, **environ) as function:
        function.wait_until_ready()
        for behaviour in (answers({}), replies(400)):
            model_server.behaviour = behaviour
            assert [analysed(function) for _ in range(6)] == [False] * 6
        model_server.behaviour = answers()
        assert analysed(function)
