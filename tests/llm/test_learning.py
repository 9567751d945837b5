"""What a server refuses is learned once per process, from real refusals over real sockets."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from function.domain import Concern, Feedback
from function.llm.model import Model
from function.llm.outcome import Answer, NoAnswer, Reason
from function.llm_settings import read_llm_settings
from function.variables import Variables
from tests.instance import STUDENT
from tests.llm.conftest import llm_environ
from tests.llm.server import (
    Behavior,
    Exchange,
    ModelServer,
    answers,
    hang,
    in_turn,
    refuses,
    replies,
    sends,
)

Outcome = Answer | NoAnswer


def make_model(provider: str, url: str, **more: str) -> Model:
    variables = Variables(llm_environ(provider, url, **{"LLM_TIMEOUT": "20", **more}))
    settings = read_llm_settings(variables)
    assert settings
    assert variables.problems == []
    return Model(settings)


async def ask(model: Model, message: str = "hello") -> Outcome:
    try:
        return await model.ask(Feedback(UUID(STUDENT), "task-1", message))
    except NoAnswer as exc:
        return exc


def ask_all(model: Model, *messages: str) -> Sequence[Outcome]:
    """Ask one after the other."""

    async def run() -> list[Outcome]:
        outcomes = [await ask(model, message) for message in messages]
        await model.close()
        return outcomes

    return asyncio.run(run())


def attempts(outcomes: Sequence[Outcome]) -> list[int]:
    assert all(isinstance(outcome, Answer) for outcome in outcomes)
    return [outcome.attempts for outcome in outcomes]


@pytest.mark.parametrize(
    ("refused", "absent", "steps"),
    [
        (["max_tokens"], ["max_tokens"], 1),
        (["json_schema"], [], 1),
        (["json_schema", "json_object"], ["response_format"], 2),
        (["temperature"], ["temperature"], 1),
        (["reasoning_effort"], ["reasoning_effort"], 1),
        (["max_tokens", "temperature", "response_format"], ["temperature"], 4),
    ],
)
@pytest.mark.parametrize("status", [400, 422])
def test_openai(
    refused: list[str], absent: list[str], steps: int, status: int, model_server: ModelServer
) -> None:
    model_server.behavior = refuses(*refused, status=status)
    model = make_model("openai", model_server.url, LLM_REASONING_EFFORT="low")
    assert attempts(ask_all(model, "one", "two")) == [steps + 1, 1]
    body = model_server.requests[-1].json()
    assert set(body).isdisjoint(absent)
    assert ("max_completion_tokens" in body) == ("max_tokens" in refused)


@pytest.mark.parametrize(
    ("refused", "steps"),
    [("temperature", 1), ("output_config.format", 1), ("output_config.effort", 1)],
)
def test_anthropic(refused: str, steps: int, model_server: ModelServer) -> None:
    model_server.behavior = refuses(refused)
    model = make_model("anthropic", model_server.url, LLM_REASONING_EFFORT="low")
    assert attempts(ask_all(model, "one", "two")) == [steps + 1, 1]
    body = model_server.requests[-1].json()
    sent = {"temperature", "output_config.format", "output_config.effort"} - {refused}
    config = {f"output_config.{name}" for name in body["output_config"]}
    assert config | ({"temperature"} & set(body)) == sent


@pytest.mark.parametrize(("provider", "refused"), [("openai", "json_schema"),
    ("anthropic", "output_config.format")])  # fmt: skip
def test_the_prompt_has_the_schema_that_the_server_does_not_take(
    provider: str, refused: str, model_server: ModelServer
) -> None:
    model_server.behavior = refuses(refused)
    ask_all(make_model(provider, model_server.url), "one")
    without, with_schema = (_system(exchange.json()) for exchange in model_server.requests)
    assert with_schema.startswith(without)
    assert '"additionalProperties":false' in with_schema.removeprefix(without)


def _system(body: Any) -> str:
    return str(body.get("system") or body["messages"][0]["content"])


def test_the_api_at_the_root(model_server: ModelServer) -> None:
    async def behave(exchange: Exchange) -> None:
        found = exchange.path == "/chat/completions"
        await (answers() if found else replies(404, b"404 page not found"))(exchange)

    model_server.behavior = behave
    assert attempts(ask_all(make_model("openai", model_server.url), "one", "two")) == [2, 1]


def test_a_message_that_names_a_parameter_teaches_nothing(model_server: ModelServer) -> None:
    """An error that comes again without the parameter was not about it."""
    error = replies(400, b'{"error": {"message": "bad input: the temperature in my room"}}')
    model_server.behavior = in_turn(error, error, answers())
    model = make_model("openai", model_server.url)
    first, second = ask_all(model, "the temperature in my room", "two")
    assert isinstance(first, NoAnswer)
    assert isinstance(second, Answer)
    assert model_server.requests[-1].json()["temperature"] == 0


def test_a_server_that_changes_is_learned_again(model_server: ModelServer) -> None:
    """Another server behind the same address may take only what the first one refused."""
    model_server.behavior = refuses("max_tokens", "json_schema")
    model = make_model("openai", model_server.url)
    [taken] = ask_all(model, "one")
    model_server.behavior = refuses("max_completion_tokens")
    refused, again = ask_all(model, "two", "three")
    assert isinstance(taken, Answer)
    assert isinstance(refused, NoAnswer)
    assert isinstance(again, Answer)
    assert model_server.requests[-1].json()["response_format"]["type"] == "json_schema"


def test_a_question_has_one_retry(model_server: ModelServer) -> None:
    """Each refusal leads to another question, and none of them to another retry."""
    busy = replies(429, b"", "Retry-After: 0")
    refusal = refuses("max_tokens", "temperature")
    model_server.behavior = in_turn(busy, refusal, busy)
    [failure] = ask_all(make_model("openai", model_server.url), "one")
    assert isinstance(failure, NoAnswer)
    assert (failure.status, failure.attempts) == (429, 3)


def test_questions_at_the_same_time(model_server: ModelServer) -> None:
    """Each of them learns in one step, and nothing is learned twice."""
    model_server.behavior = refuses("max_tokens", "json_schema")
    model = make_model("openai", model_server.url)

    async def run() -> list[Outcome]:
        together = await asyncio.gather(*(ask(model, f"number {n}") for n in range(30)))
        later = [await ask(model, "later")]
        await model.close()
        return [*together, *later]

    made = attempts(asyncio.run(run()))
    assert max(made) == 3
    assert made[-1] == 1
    assert "max_completion_tokens" in model_server.requests[-1].json()


def test_the_whole_question_has_one_limit(model_server: ModelServer) -> None:
    model_server.behavior = refuses("temperature", then=hang)
    model = make_model("openai", model_server.url, LLM_TIMEOUT="1")
    [outcome] = ask_all(model, "one")
    assert isinstance(outcome, NoAnswer)
    assert (outcome.reason, outcome.attempts) == (Reason.TIMEOUT, 2)


@pytest.mark.parametrize("status", [200, 201, 203])
def test_each_success_is_one(status: int, model_server: ModelServer) -> None:
    async def behave(exchange: Exchange) -> None:
        good = json.dumps(_completion()).encode()
        await exchange.reply(status, good)

    model_server.behavior = behave
    assert attempts(ask_all(make_model("openai", model_server.url), "one")) == [1]


def _completion() -> object:
    topics = [{"topic": "general", "weight": 1}]
    answer = {"perceived_difficulty": "ok", "difficulty_adjustment": 0, "sentiment": "neutral"}
    message = {"role": "assistant", "content": json.dumps({**answer, "topics": topics})}
    return {"choices": [{"message": message, "finish_reason": "stop"}]}


FILTERED = {"content_filter_result": {"self_harm": {"filtered": True, "severity": "medium"}}}
AZURE = {"error": {"code": "content_filter", "param": "prompt", "innererror": FILTERED}}
OPENROUTER = {"error": {"code": 403, "message": "flagged", "metadata": {"reasons": ["violence"]}}}


@pytest.mark.parametrize(
    ("status", "body", "concern"),
    [(400, AZURE, Concern.SELF_HARM), (403, OPENROUTER, Concern.VIOLENCE)],
)
def test_a_filter_is_a_refusal(
    status: int, body: object, concern: Concern, model_server: ModelServer
) -> None:
    model_server.behavior = replies(status, json.dumps(body).encode())
    [outcome] = ask_all(make_model("openai", model_server.url), "I want to hurt myself")
    assert isinstance(outcome, NoAnswer)
    assert (outcome.reason, outcome.concern) == (Reason.REFUSED, concern)
    assert outcome.clears_provider
    assert not outcome.blames_provider


def test_refused_messages_that_differ_are_the_providers_fault(model_server: ModelServer) -> None:
    model_server.behavior = replies(400, b'{"error": {"message": "Invalid model name"}}')
    model = make_model("openai", model_server.url)
    failures = ask_all(model, "one", "one", "two", "x" * 2000)
    found = [isinstance(failure, NoAnswer) and failure.blames_provider for failure in failures]
    assert found == [True, False, True, False]


@pytest.mark.parametrize(("length", "blamed"), [(1000, True), (1001, False)])
def test_the_timeout_of_a_long_message(
    length: int, blamed: bool, model_server: ModelServer
) -> None:
    """A long message takes long: its timeout tells nothing about the others."""
    model_server.behavior = hang
    model = make_model("openai", model_server.url, LLM_TIMEOUT="0.5")
    [failure] = ask_all(model, "x" * length)
    assert isinstance(failure, NoAnswer)
    assert failure.reason is Reason.TIMEOUT
    assert (failure.blames_provider, failure.clears_provider) == (blamed, False)


def stalls(status: int) -> Behavior:
    """The server sends a head, and no body."""

    async def behave(exchange: Exchange) -> None:
        await exchange.write(f"HTTP/1.1 {status} X\r\nContent-Length: 99\r\n\r\n".encode())
        await hang(exchange)

    return behave


def test_the_body_of_an_error_that_never_comes(model_server: ModelServer) -> None:
    """The status counts, and the second attempt is made."""
    model_server.behavior = in_turn(stalls(503), answers())
    [outcome] = ask_all(make_model("openai", model_server.url), "one")
    assert isinstance(outcome, Answer)
    assert outcome.attempts == 2


def test_the_body_of_an_error_without_an_end(model_server: ModelServer) -> None:
    model_server.behavior = sends(b"HTTP/1.1 400 X\r\n\r\n", b" " * 9999, endless=True)
    [failure] = ask_all(make_model("openai", model_server.url), "one")
    assert isinstance(failure, NoAnswer)
    assert failure.rejection
    assert (failure.status, len(failure.rejection.body)) == (400, 16 * 1024)


def test_the_key_of_azure(model_server: ModelServer) -> None:
    url = f"{model_server.url}/openai/deployments/gpt/chat/completions?api-version=2024-10-21"
    ask_all(make_model("openai", url), "one")
    [request] = model_server.requests
    assert request.path == "/openai/deployments/gpt/chat/completions?api-version=2024-10-21"
    assert request.headers["api-key"]
    assert "authorization" not in request.headers
    assert "max_completion_tokens" in request.json()
