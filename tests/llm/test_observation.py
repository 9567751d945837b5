"""Questions, as a collector sees them."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.hosts.collector import Collector, attributes, collecting
from tests.instance import running
from tests.llm.conftest import KEY, MODEL, llm_environ, post
from tests.llm.server import (
    GOOD,
    Behavior,
    answers,
    envelope,
    in_turn,
    refuses,
    replies,
    says,
    serving,
)

SECRET = "my-own-private-words"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TOLD = "model-1-2026-10"


def told(stop: str = "", model: str = TOLD) -> Behavior:
    """The provider names its model, and why that stopped."""

    async def behave(exchange: Any) -> None:
        body = json.loads(envelope(exchange.path, json.dumps(GOOD), stop))
        await exchange.reply(200, json.dumps({**body, "model": model}).encode())

    return behave


def ask(
    database: str, log_file: Path, provider: str, behavior: Behavior
) -> tuple[Collector, list[dict[str, Any]]]:
    """Post feedback twice, and return what came, and the attributes of the questions' spans."""
    with serving(behavior) as server, collecting() as collector:
        otlp = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
        environ = llm_environ(provider, server.url, LLM_TIMEOUT="14", **otlp)
        with running(log_file, database, **environ) as function:
            function.wait_until_ready()
            for _ in range(2):
                headers = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
                assert post(function, SECRET, **headers).status == 200
            assert function.terminate() == 0
    assert not any(text.encode() in b"".join(collector.bodies) for text in (SECRET, KEY))
    assert {span.trace_id.hex() for span in collector.spans} == {TRACE}  # no span of a warm-up
    parents = {span.span_id for span in collector.spans if span.name.startswith("POST")}
    chats = collector.named(f"chat {MODEL}")
    assert {span.parent_span_id for span in chats} == parents
    return collector, [attributes(span.attributes) for span in chats]


def test_answered(provider: str, llm_database: str, tmp_path: Path) -> None:
    collector, spans = ask(llm_database, tmp_path / "log", provider, told())
    assert len(spans) == 2
    for found in spans:
        port = found.pop("server.port")
        assert found == {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": provider,
            "gen_ai.request.model": MODEL,
            "gen_ai.response.model": TOLD,
            "gen_ai.response.finish_reasons": ["stop" if provider == "openai" else "end_turn"],
            "gen_ai.usage.input_tokens": 1900,
            "gen_ai.usage.output_tokens": 60,
            "server.address": "127.0.0.1",
            "mentor.attempts": 1,
        }
        assert isinstance(port, int)
    tokens = {
        attributes(point.attributes)["gen_ai.token.type"]: point.sum
        for point in collector.metric("gen_ai.client.token.usage").histogram.data_points
    }
    assert tokens["output"] == 60 * round(tokens["input"] / 1900)  # warm-ups cost tokens, too
    [point] = collector.metric("mentor.questions").sum.data_points
    assert (attributes(point.attributes), point.as_double) == ({"outcome": "answered"}, 2)


@pytest.mark.parametrize("stop", [SECRET, "stop " * 1000])
def test_a_provider_that_lies(stop: str, provider: str, llm_database: str, tmp_path: Path) -> None:
    """Only known reasons and what looks like the name of a model is passed on."""
    _, spans = ask(llm_database, tmp_path / "log", provider, told(stop, "my own words"))
    for found in spans:
        assert not {"gen_ai.response.model", "gen_ai.response.finish_reasons"} & found.keys()


def test_retries(llm_database: str, tmp_path: Path) -> None:
    """A retry and a question without what the server refuses are part of one span."""
    retried = in_turn(replies(503), answers())
    _, spans = ask(llm_database, tmp_path / "log", "openai", retried)
    assert [found["mentor.attempts"] for found in spans] == [2, 1]
    _, spans = ask(llm_database, tmp_path / "log", "openai", refuses("temperature"))
    assert [found["mentor.attempts"] for found in spans] == [2, 1]


def test_failed(llm_database: str, tmp_path: Path) -> None:
    """The reason is a label and the type of the error."""
    collector, spans = ask(llm_database, tmp_path / "log", "openai", says(SECRET))
    assert [found["error.type"] for found in spans] == ["invalid_answer"] * 2
    [point] = collector.metric("mentor.questions").sum.data_points
    assert attributes(point.attributes) == {"outcome": "failed", "reason": "invalid_answer"}
    durations = collector.metric("gen_ai.client.operation.duration").histogram.data_points
    types = [attributes(point.attributes).get("error.type") for point in durations]
    assert "invalid_answer" in types
