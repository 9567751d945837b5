"""Without free descriptors an instance answers as usual, or 503: nothing is imported late."""

import http.client
import json
import resource
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from tests.hosts.events import BATCHED, STRUCTURED, binary_headers, event
from tests.instance import FEEDBACK, PATH, STUDENT, Instance, running
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
BODY = json.dumps(FEEDBACK).encode()
EVENT = event(STUDENT)
JSON = {"Content-Type": "application/json"}

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
    ("POST", "/", BODY, binary_headers("2") | JSON, 200),
    ("POST", "/", json.dumps(EVENT).encode(), {"Content-Type": STRUCTURED}, 200),
    ("POST", "/", json.dumps([EVENT]).encode(), {"Content-Type": BATCHED}, 200),
    ("POST", "/", b"{}", {"Content-Type": STRUCTURED}, 400),
    ("PUT", "/", None, {}, 405),
    ("GET", "/nothing", None, {}, 404),
    ("GET", "/health/ready", None, {}, 200),
    ("GET", "/openapi.json", None, {}, 200),
]


@pytest.fixture
def imported(tmp_path: Path) -> Path:
    """A file to which the name of each module is written when the function imports it."""
    log = tmp_path / "imported"
    (tmp_path / "sitecustomize.py").write_text(HOOK.format(log=str(log)))
    return log


@pytest.fixture
def warm(host: str, feedback_database: str, imported: Path) -> Iterator[Instance]:
    """An instance that has finished its imports after its first request."""
    folder = imported.parent
    with running(folder / "log", feedback_database, host, PYTHONPATH=str(folder)) as function:
        function.wait_until_ready()
        assert function.post().status == 200
        wait_until(lambda: LAST_WARMED in imported.read_text())
        yield function


def processes(function: Instance) -> list[psutil.Process]:
    parent = psutil.Process(function.process.pid)
    return [parent, *parent.children(recursive=True)]


def test_no_late_imports(warm: Instance, imported: Path) -> None:
    """After the first request, no later request imports a module."""
    warm.get("/openapi.json")  # waits for an import in progress
    before = imported.read_text()

    found = [warm.request(*request[:4]).status for request in REQUESTS]

    assert imported.read_text().removeprefix(before) == ""
    assert found == [request[-1] for request in REQUESTS]


def test_no_free_descriptors(warm: Instance, host: str) -> None:
    """Without free descriptors, requests get their usual answers, and new files 503."""
    warm.get("/openapi.json")
    with closing(http.client.HTTPConnection("127.0.0.1", warm.port, timeout=60)) as connection:
        connection.connect()
        send(connection, ("GET", "/health/startup", None, {}, 200))
        for process in processes(warm):
            process.rlimit(resource.RLIMIT_NOFILE, (0, process.rlimit(resource.RLIMIT_NOFILE)[1]))

        found = [send(connection, request) for request in REQUESTS if request[-1] != 413]
        page = send(connection, ("GET", "/docs/swagger-ui.css", None, {}, 503))

    assert found == [request[-1] for request in REQUESTS if request[-1] != 413]
    # The environment of func has no page. Python looks for it again where folders have changed.
    assert page in ((404, 503) if host == "knative" else (503,))


def send(connection: http.client.HTTPConnection, request: Request) -> int:
    connection.request(*request[:4])
    answer = connection.getresponse()
    answer.read()
    return answer.status
