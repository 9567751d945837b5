"""Clients that generators build from /openapi.json decode the function's real answers."""

import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from tests.contracts import generated
from tests.contracts.generated import Client
from tests.instance import FEEDBACK, Instance
from tests.llm.conftest import MODEL

NIL = "00000000-0000-0000-0000-000000000000"

pytestmark = [pytest.mark.contracts, pytest.mark.timeout(300)]


@pytest.fixture(
    scope="module",
    params=[generated.go, generated.java, generated.python, generated.openapi_python_client],
    ids=["go", "java", "python", "openapi-python-client"],
)
def client(
    request: pytest.FixtureRequest, description: Any, tmp_path_factory: pytest.TempPathFactory
) -> Client:
    made: Client = request.param(description, tmp_path_factory.mktemp("client"))
    return made


def ask(client: Client, instance: Instance) -> tuple[Any, Any]:
    """Return an answer as the client decodes it, and the same answer as JSON."""
    key = str(uuid.uuid4())
    answer = instance.post(FEEDBACK, {"Idempotency-Key": key}).json()
    return client(f"http://127.0.0.1:{instance.port}", key, FEEDBACK), answer


def with_time(update: dict[str, Any]) -> dict[str, Any]:
    """Parse the timestamp, which each language formats differently."""
    return {**update, "timestamp": datetime.fromisoformat(update["timestamp"])}


def test_stub(client: Client, function: Instance) -> None:
    """A client decodes the strategy of the stub."""
    told, answer = ask(client, function)

    assert told["decided_by"] == "StrategySnapshot"
    assert with_time(told["update"]) == with_time(answer)


def test_model(client: Client, function_with_model: Instance) -> None:
    """A client decodes the strategy of a model."""
    told, answer = ask(client, function_with_model)

    assert told["decided_by"] == "ModelSnapshot"
    assert with_time(told["update"]) == with_time(answer)
    assert answer["strategy_snapshot"]["model"] == MODEL


def test_error(client: Client, function: Instance) -> None:
    """A client decodes an error."""
    told = client(f"http://127.0.0.1:{function.port}", "key", {**FEEDBACK, "student_id": NIL})

    assert told["error"]["code"] == "INVALID_REQUEST"
    assert "student_id" in told["error"]["message"]


def test_later_version(client: Client, function: Instance) -> None:
    """A client decodes an answer that has additional fields."""
    answer = function.post().json()
    later = {
        **answer,
        "added": 1,
        "strategy_snapshot": {**answer["strategy_snapshot"], "added": 1},
    }
    with answering(json.dumps(later).encode()) as port:
        told = client(f"http://127.0.0.1:{port}", "key", FEEDBACK)

    assert told["decided_by"] == "StrategySnapshot"
    assert told["update"]["sentiment"] == answer["sentiment"]


@contextmanager
def answering(body: bytes) -> Iterator[int]:
    """Serve this answer until the end of the block; the value is the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()
