"""An instance without free descriptors answers as before, or 503: nothing is imported late."""

import http.client
import json
import resource
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from tests.instance import FEEDBACK, PATH, Instance, running
from tests.waiting import wait_until

HOOK = """
import os, sys
log = os.open({log!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
def note(name, args):
    if name == "import":
        os.write(log, args[0].encode() + b"\\n")
sys.addaudithook(note)
"""
LAST_WARMED = "function.http.docs"
TYPE = "mentor.feedback.submitted"
BODY = json.dumps(FEEDBACK).encode()
EVENT = {"specversion": "1.0", "id": "1", "source": "/a", "type": TYPE, "data": FEEDBACK}
BINARY = {"ce-specversion": "1.0", "ce-id": "2", "ce-source": "/a", "ce-type": TYPE}
JSON = {"Content-Type": "application/json"}
STRUCTURED = {"Content-Type": "application/cloudevents+json"}
BATCH = {"Content-Type": "application/cloudevents-batch+json; charset=utf-8"}

Request = tuple[str, str, bytes | None, dict[str, str], int]
REQUESTS: list[Request] = [
    ("POST", PATH, BODY, {}, 200),
    ("POST", PATH, BODY, {"Idempotency-Key": "k"}, 200),
    ("POST", PATH, BODY.replace(b"hard", b"\xff"), {}, 200),
    ("POST", PATH, json.dumps({**FEEDBACK, "message": "\ud800"}).encode(), {}, 200),
    ("POST", PATH, b"{}", {}, 400),
    ("POST", PATH, b"\xff\xfe{", {"Content-Type": "application/json; charset=utf-16"}, 400),
    ("POST", PATH, b"{}", {"Accept": "application/problem+json"}, 400),
    ("POST", PATH, b" " * 70_000, {}, 413),
    ("POST", "/", BODY, BINARY | JSON, 200),
    ("POST", "/", json.dumps(EVENT).encode(), STRUCTURED, 200),
    ("POST", "/", json.dumps([EVENT]).encode(), BATCH, 200),
    ("POST", "/", b"{}", STRUCTURED, 400),
    ("PUT", "/", None, {}, 405),
    ("GET", "/nothing", None, {}, 404),
    ("GET", "/health/ready", None, {}, 200),
    ("GET", "/openapi.json", None, {}, 200),
]


@pytest.fixture
def imported(tmp_path: Path) -> Path:
    """A file that gets the name of each module when the function imports it."""
    log = tmp_path / "imported"
    (tmp_path / "sitecustomize.py").write_text(HOOK.format(log=str(log)))
    return log


@pytest.fixture
def warm(host: str, feedback_database: str, imported: Path) -> Iterator[Instance]:
    """An instance some time after its first request."""
    folder = imported.parent
    with running(folder / "log", feedback_database, host, PYTHONPATH=str(folder)) as function:
        function.wait_until_ready()
        assert function.post().status == 200
        wait_until(lambda: LAST_WARMED in imported.read_text())
        yield function


def processes(function: Instance) -> list[psutil.Process]:
    parent = psutil.Process(function.process.pid)
    return [parent, *parent.children(recursive=True)]


def test_after_the_first_request_none_imports_anything(warm: Instance, imported: Path) -> None:
    warm.get("/openapi.json")  # waits for what is being imported
    before = imported.read_text()

    found = [warm.request(*request[:4]).status for request in REQUESTS]

    assert imported.read_text().removeprefix(before) == ""
    assert found == [request[-1] for request in REQUESTS]


def test_without_descriptors_nothing_is_an_internal_error(warm: Instance, host: str) -> None:
    warm.get("/openapi.json")
    with closing(http.client.HTTPConnection("127.0.0.1", warm.port, timeout=60)) as connection:
        connection.connect()
        send(connection, ("GET", "/health/startup", None, {}, 200))
        for process in processes(warm):
            process.rlimit(resource.RLIMIT_NOFILE, (0, process.rlimit(resource.RLIMIT_NOFILE)[1]))

        found = [send(connection, request) for request in REQUESTS if request[-1] != 413]
        page = send(connection, ("GET", "/docs/swagger-ui.css", None, {}, 503))

    assert found == [request[-1] for request in REQUESTS if request[-1] != 413]
    assert page == (404 if host == "knative" else 503)  # func's environment has no page


def send(connection: http.client.HTTPConnection, request: Request) -> int:
    connection.request(*request[:4])
    answer = connection.getresponse()
    answer.read()
    return answer.status
