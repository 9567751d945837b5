"""The function with a model: real processes, a real PostgreSQL, and a provider of our own."""

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from pg8000.native import Connection

from tests.conftest import apply_schema, open_connection
from tests.instance import STUDENT, Answer, Instance
from tests.llm.server import ModelServer, answers, serving

KEY = "sk-test-the-key"
MODEL = "model-1"

Row = dict[str, Any]


@pytest.fixture(scope="session")
def llm_database(server_url: str) -> Iterator[str]:
    """The URL of the database that these tests share."""
    name = f"llm_{uuid.uuid4().hex}"
    url = urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
    with closing(open_connection(server_url)) as connection:
        connection.run(f"CREATE DATABASE {name}")
        try:
            apply_schema(url)
            yield url
        finally:
            connection.run(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def llm_connection(llm_database: str) -> Iterator[Connection]:
    with closing(open_connection(llm_database)) as connection:
        yield connection


@pytest.fixture
def rows(llm_connection: Connection) -> Callable[[str], list[Row]]:
    """Returns what the table has of a task."""

    def find(task_id: str) -> list[Row]:
        found = llm_connection.run("SELECT * FROM feedback WHERE task_id = :task", task=task_id)
        names = [column["name"] for column in llm_connection.columns]
        return [dict(zip(names, row, strict=True)) for row in found]

    return find


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
        "LLM_TIMEOUT": "1",
    }
    return {**environ, **more}


def post(function: Instance, message: str, task_id: str = "", **headers: str) -> Answer:
    task_id = task_id or str(uuid.uuid4())
    feedback = {"student_id": STUDENT, "task_id": task_id, "message": message}
    return function.request("POST", "/api/v1/feedback", json.dumps(feedback).encode(), headers)


def notes(function: Instance, request_id: str) -> list[dict[str, Any]]:
    """What was logged of this request, besides the line that each request has."""
    return [
        event
        for event in function.events()
        if event.get("request_id") == request_id and event["event"] != "request"
    ]
