"""The function with a model: real processes, a real PostgreSQL, and a test provider."""

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from pg8000.native import Connection

from tests.conftest import apply_schema, open_connection, select, temporary_database
from tests.instance import STUDENT, Answer, Instance, running
from tests.llm.server import ModelServer, answers, serving

KEY = "sk-test-the-key"
MODEL = "model-1"

Row = dict[str, Any]


@pytest.fixture(scope="session")
def llm_database(server_url: str) -> Iterator[str]:
    """The URL of the database that these tests share."""
    with temporary_database(server_url) as url:
        apply_schema(url)
        yield url


@pytest.fixture(scope="session")
def llm_connection(llm_database: str) -> Iterator[Connection]:
    with closing(open_connection(llm_database)) as connection:
        yield connection


@pytest.fixture
def rows(llm_connection: Connection) -> Callable[[str], list[Row]]:
    """Return a function that finds the rows of a task."""

    def find(task_id: str) -> list[Row]:
        return select(llm_connection, "SELECT * FROM feedback WHERE task_id = :task", task=task_id)

    return find


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    with serving(answers()) as model:
        yield model


@pytest.fixture(scope="module", params=["openai", "anthropic"])
def provider(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def llm_timeout() -> str:
    """Seconds; long enough for a busy machine."""
    return "10"


@pytest.fixture(scope="module")
def function(
    provider: str,
    server: ModelServer,
    llm_timeout: str,
    llm_database: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Instance]:
    """One process per provider for the tests of a module."""
    log_file = tmp_path_factory.mktemp("llm") / "log"
    environ = llm_environ(provider, server.url, LLM_TIMEOUT=llm_timeout)
    with running(log_file, llm_database, **environ) as instance:
        yield instance.wait_until_ready()


@pytest.fixture
def model_server() -> Iterator[ModelServer]:
    with serving(answers()) as server:
        yield server


def llm_environ(provider: str, base_url: str, **more: str) -> dict[str, str]:
    environ = {
        "LLM_PROVIDER": provider,
        "LLM_BASE_URL": base_url,
        "LLM_MODEL": MODEL,
        "LLM_API_KEY": KEY,
        "LLM_TIMEOUT": "10",
    }
    return {**environ, **more}


def post(function: Instance, message: str, task_id: str = "", **headers: str) -> Answer:
    task_id = task_id or str(uuid.uuid4())
    feedback = {"student_id": STUDENT, "task_id": task_id, "message": message}
    return function.request("POST", "/api/v1/feedback", json.dumps(feedback).encode(), headers)


def notes(function: Instance, request_id: str) -> list[dict[str, Any]]:
    """Return the request's lines in the log, except the one that each request has."""
    return [
        event
        for event in function.events()
        if event.get("request_id") == request_id and event["event"] != "request"
    ]
