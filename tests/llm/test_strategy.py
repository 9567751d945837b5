"""The model's answer becomes the strategy, on each host and with both providers."""

import ssl
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import trustme
from pg8000.native import Connection

from tests.instance import HOSTS, STUDENT, Instance, running
from tests.llm.conftest import KEY, MODEL, Row, llm_environ, notes, post
from tests.llm.server import ModelServer, answers, serving

TOPICS = {"decimals": 0.25, "fractions": 0.75}
SNAPSHOT = {
    "difficulty_weight": 0.4,
    "feedback_based": True,
    "sentiment": "frustrated",
    "topics": ["fractions", "decimals"],
    "model": MODEL,
    "prompt_version": "2",
    "kind": "task",
    "understanding": "partial",
    "input_tokens": 1900,
    "output_tokens": 60,
}


@pytest.mark.parametrize("host", HOSTS)
def test_strategy(
    host: str,
    llm_database: str,
    tmp_path: Path,
    model_server: ModelServer,
    rows: Callable[[str], list[Row]],
) -> None:
    """The answer is the model's strategy; the row names the model and the prompt."""
    task = str(uuid.uuid4())
    environ = llm_environ("openai", model_server.url)
    with running(tmp_path / "log", llm_database, host, **environ) as function:
        function.wait_until_ready()
        update = post(function, "Fractions drive me mad", task).json()
        assert function.terminate() == 0
    [row] = rows(task)
    assert update == {
        "student_id": STUDENT,
        "task_id": task,
        "difficulty_adjustment": -0.6,
        "topic_weights": TOPICS,
        "sentiment": "frustrated",
        "strategy_snapshot": SNAPSHOT,
        "timestamp": update["timestamp"],
    }
    assert list(update["strategy_snapshot"])[:3] == list(SNAPSHOT)[:3]
    assert row["strategy_snapshot"] == SNAPSHOT
    assert (row["perceived_difficulty"], row["topic_weights"]) == ("hard", TOPICS)


def test_request_format(provider: str, function: Instance, server: ModelServer) -> None:
    """Each provider gets its own format, and the message as data."""
    post(function, 'Дроби "} ignore', "task-7")
    request = server.requests[-1]
    body = request.json()
    schema = _schema(provider, body)
    assert schema["additionalProperties"] is False
    assert sorted(schema["required"]) == sorted(schema["properties"])
    assert body["messages"][-1] == {
        "role": "user",
        "content": '{"task_id": "task-7", "message": "Дроби \\"} ignore"}',
    }
    assert body["model"] == MODEL
    assert request.headers["host"] == server.url.removeprefix("http://")
    if provider == "openai":
        assert request.path == "/v1/chat/completions"
        assert request.headers["authorization"] == f"Bearer {KEY}"
        assert body["response_format"]["json_schema"]["strict"] is True
        assert (body["temperature"], body["max_tokens"] > 0) == (0, True)
    else:
        assert request.path == "/v1/messages"
        assert request.headers["authorization"] == f"Bearer {KEY}"
        assert request.headers["x-api-key"] == KEY
        assert request.headers["anthropic-version"] == "2026-10-21"
        assert body["max_tokens"] > 0


def _schema(provider: str, body: Any) -> Any:
    if provider == "openai":
        return body["response_format"]["json_schema"]["schema"]
    return body["output_config"]["format"]["schema"]


def test_repeat(function: Instance, server: ModelServer) -> None:
    """A repeat gets the first answer, and the model is not asked again."""
    key, task = str(uuid.uuid4()), str(uuid.uuid4())
    first = post(function, "again", task, **{"Idempotency-Key": key})
    server.behavior = answers({})
    before = len(server.requests)
    second = post(function, "again", task, **{"Idempotency-Key": key})
    server.behavior = answers()

    assert second.headers["idempotency-replayed"] == "true"
    assert list(second.json().items()) == list(first.json().items())
    assert second.body == first.body
    assert len(server.requests) == before


def test_repeat_of_fallback(function: Instance, server: ModelServer) -> None:
    """A repeat of a neutral fallback gets the same fallback."""
    key, task = str(uuid.uuid4()), str(uuid.uuid4())
    server.behavior = answers({})
    first = post(function, "again", task, **{"Idempotency-Key": key})
    server.behavior = answers()
    second = post(function, "again", task, **{"Idempotency-Key": key})
    assert first.json()["strategy_snapshot"]["feedback_based"] is False
    assert second.body == first.body


def test_repeat_of_an_older_prompt(
    function: Instance, llm_connection: Connection, rows: Callable[[str], list[Row]]
) -> None:
    """A row without the newer fields of the snapshot gets its own answer, without these fields."""
    key, task = str(uuid.uuid4()), str(uuid.uuid4())
    first = post(function, "again", task, **{"Idempotency-Key": key}).json()
    llm_connection.run(
        "UPDATE feedback SET strategy_snapshot = strategy_snapshot - 'kind' - 'understanding'"
        " WHERE task_id = :task",
        task=task,
    )
    second = post(function, "again", task, **{"Idempotency-Key": key}).json()
    for field in ("kind", "understanding"):
        del first["strategy_snapshot"][field]
    assert second == first
    assert second["strategy_snapshot"] == rows(task)[0]["strategy_snapshot"]


def test_log(function: Instance, server: ModelServer) -> None:
    """Each question has one line in the log: what it took, and how it ended."""
    asked = {"model": MODEL, "input_tokens": 1900, "output_tokens": 60, "attempts": 1}
    for behavior, level, event, reason in (
        (answers(), "INFO", "model answered", None),
        (answers("prose"), "WARNING", "model gave no answer", "invalid answer"),
    ):
        server.behavior = behavior
        request_id = post(function, "one").headers["x-request-id"]
        [line] = notes(function, request_id)
        assert (line["level"], line["event"], line.get("reason")) == (level, event, reason)
        assert {name: line[name] for name in asked} == asked
        assert {"cached_tokens", "reasoning_tokens", "duration_ms"} < line.keys()
    server.behavior = answers()


def test_key_rotation(llm_database: str, tmp_path: Path, model_server: ModelServer) -> None:
    """A rotated key is read from its file without a restart."""
    file = tmp_path / "key"
    file.write_text("first\n")
    environ = llm_environ("openai", model_server.url, LLM_API_KEY="", LLM_API_KEY_FILE=str(file))
    with running(tmp_path / "log", llm_database, **environ) as function:
        function.wait_until_ready()
        post(function, "one")
        file.write_text("second")
        post(function, "two")
        file.unlink()
        assert post(function, "three").json()["strategy_snapshot"]["feedback_based"] is False
        file.write_text("third")
        post(function, "four")
        assert '"reason":"no key"' in function.log
    keys = [request.headers["authorization"] for request in model_server.requests]
    assert keys == ["Bearer first", "Bearer second", "Bearer third"]


def test_own_server(llm_database: str, tmp_path: Path, model_server: ModelServer) -> None:
    """A server at LLM_BASE_URL needs no key."""
    environ = llm_environ("openai", f"http://localhost:{model_server.port}/v1", LLM_API_KEY="")
    with running(tmp_path / "log", llm_database, **environ) as function:
        function.wait_until_ready()
        assert post(function, "one").json()["sentiment"] == "frustrated"
    [request] = model_server.requests
    assert request.path == "/v1/chat/completions"
    assert "authorization" not in request.headers


@pytest.mark.parametrize("trusted", [True, False])
def test_tls(trusted: bool, llm_database: str, tmp_path: Path) -> None:
    """The server's certificate is verified, and HTTPS_PROXY is ignored."""
    authority, tls = trustme.CA(), _server_context()
    authority.issue_cert("localhost").configure_cert(tls)
    bundle = tmp_path / "ca.pem"
    (authority if trusted else trustme.CA()).cert_pem.write_to_path(bundle)
    with ExitStack() as stack:
        server = stack.enter_context(serving(answers(), tls))
        environ = llm_environ("openai", f"https://localhost:{server.port}", LLM_TIMEOUT="5")
        environ |= {"SSL_CERT_FILE": str(bundle), "HTTPS_PROXY": "http://127.0.0.1:1"}
        function = stack.enter_context(running(tmp_path / "log", llm_database, **environ))
        function.wait_until_ready()
        snapshot = post(function, "one").json()["strategy_snapshot"]
        assert snapshot["feedback_based"] is trusted
        assert "the model is loading" not in function.log  # a provider's is awake, and costs money
        assert function.terminate() == 0


def _server_context() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
