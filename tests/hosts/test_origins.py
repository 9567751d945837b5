"""Pages of other origins can't call the function, unless CORS_ORIGINS names them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.hosts.conftest import Rows
from tests.hosts.issuer import Issuer, issuing
from tests.instance import FEEDBACK, PATH, Instance, running

APP = "https://app.example"
OTHER = "https://evil.example"


@pytest.fixture(scope="session")
def issuer() -> Iterator[Issuer]:
    with issuing() as one:
        yield one


@pytest.fixture(scope="session")
def open_to_app(
    host: str, hosts_database: str, issuer: Issuer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Instance]:
    environ = {"CORS_ORIGINS": f"http://localhost:5173, {APP}:443", **issuer.environ}
    log_file = tmp_path_factory.mktemp("origins") / f"{host}.log"
    with running(log_file, hosts_database, host, **environ) as function:
        yield function.wait_until_ready()


@pytest.mark.parametrize(
    "origin",
    [
        *(OTHER, APP, "null", "", "http://127.0.0.1", "http://127.0.0.1:1", "file://"),
        *("http://127.0.0.1:{port}.evil.example", "http://x@127.0.0.1:{port}", "127.0.0.1:{port}"),
        *("http://127.0.0.1:{port}, http://127.0.0.1:{port}", "http://localhost:{port}"),
        "chrome-extension://127.0.0.1:{port}",
    ],
)
def test_foreign_page(instance: Instance, student: str, rows: Rows, origin: str) -> None:
    """A page of another origin can't store feedback, even as text/plain without a preflight."""
    headers = {"Origin": origin.format(port=instance.port), "Content-Type": "text/plain"}
    body = json.dumps({**FEEDBACK, "student_id": student}).encode()

    answer = instance.request("POST", PATH, body, headers)

    assert (answer.status, answer.json()["code"]) == (403, "FORBIDDEN")
    assert answer.headers["vary"] == "Origin"
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert rows(student) == []


@pytest.mark.parametrize(
    ("origin", "host_header"),
    [
        ("http://127.0.0.1:{port}", None),
        ("https://mentor.example", "mentor.example"),  # a proxy ends TLS
        ("https://mentor.example", "Mentor.Example:443"),
        ("http://mentor.example", "mentor.example:80"),
        ("https://mentor.example:8443", "mentor.example:8443"),
    ],
)
def test_own_page(
    instance: Instance, student: str, rows: Rows, origin: str, host_header: str | None
) -> None:
    """The function's own page can call it, also behind a proxy that ends TLS."""
    headers = {"Origin": origin.format(port=instance.port)}
    headers |= {"Host": host_header} if host_header else {}

    answer = instance.post({**FEEDBACK, "student_id": student}, headers)

    assert answer.status == 200
    assert len(rows(student)) == 1


@pytest.mark.parametrize("path", ["/openapi.json", "/health/ready", "/nothing"])
def test_foreign_origin(instance: Instance, path: str) -> None:
    """A foreign Origin gets 403 at every path."""
    assert instance.get(path, Origin=OTHER).status == 403


def preflight(function: Instance, origin: str, path: str = PATH) -> Any:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,idempotency-key",
    }
    return function.request("OPTIONS", path, headers=asked)


@pytest.mark.parametrize("origin", [APP, "http://localhost:5173"])
def test_preflight(open_to_app: Instance, origin: str) -> None:
    """The preflight of an allowed origin is answered without a token."""
    answer = preflight(open_to_app, origin)

    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["access-control-allow-origin"] == origin
    assert "POST" in answer.headers["access-control-allow-methods"].split(", ")
    allowed = answer.headers["access-control-allow-headers"].lower().split(", ")
    needed = ("authorization", "content-type", "idempotency-key", "x-request-id", "traceparent")
    assert set(needed) <= set(allowed)
    assert answer.headers["vary"] == "Origin"


def test_foreign_preflight(instance: Instance, open_to_app: Instance) -> None:
    """The preflight of any other origin gets 403."""
    assert preflight(instance, APP).status == 403
    assert preflight(open_to_app, OTHER).status == 403
    assert preflight(open_to_app, APP + ".evil.example").status == 403


def test_options(open_to_app: Instance) -> None:
    """An OPTIONS request that is not a preflight gets 405, and an unknown path 404."""
    assert open_to_app.request("OPTIONS", PATH, headers={"Origin": APP}).status == 405
    assert preflight(open_to_app, APP, "/nothing").status == 404


def test_allowed_page(open_to_app: Instance, issuer: Issuer, student: str) -> None:
    """A page of an allowed origin can read answers, errors and their headers."""
    token = {"Authorization": f"Bearer {issuer.key.token(student)}", "Idempotency-Key": student}
    feedback = {**FEEDBACK, "student_id": student}

    stored = open_to_app.post(feedback, {"Origin": APP, **token})
    refused = open_to_app.post(feedback, {"Origin": APP})

    assert (stored.status, refused.status) == (200, 401)
    for answer in (stored, refused):
        assert answer.headers["access-control-allow-origin"] == APP
        exposed = answer.headers["access-control-expose-headers"].split(", ")
        assert {"Idempotency-Replayed", "X-Request-Id", "Retry-After"} <= set(exposed)
        assert "Origin" in answer.headers["vary"]
    assert "access-control-allow-credentials" not in stored.headers


def test_vary(open_to_app: Instance) -> None:
    """Answers vary by Origin, so that caches keep them apart."""
    answer = open_to_app.get("/openapi.json")

    assert (answer.status, answer.headers["vary"]) == (200, "Origin")
    assert "access-control-allow-origin" not in answer.headers
