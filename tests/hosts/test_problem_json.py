"""Errors are RFC 9457 problems for clients that prefer them, with the same code."""

import json
import uuid
from collections.abc import Mapping
from http import HTTPStatus

import pytest

from tests.hosts.conftest import on_uvicorn
from tests.instance import FEEDBACK, PATH, Answer, Instance

PROBLEM = "application/problem+json"
KEY = {"Idempotency-Key": str(uuid.uuid4())}
VALID = json.dumps(FEEDBACK).encode()
ERRORS: dict[str, tuple[int, str, str, bytes, Mapping[str, str]]] = {
    "INVALID_REQUEST": (400, "POST", PATH, b"{}", {}),
    "NOT_FOUND": (404, "GET", "/nothing", b"", {}),
    "METHOD_NOT_ALLOWED": (405, "PUT", PATH, b"", {}),
    "UNSUPPORTED_MEDIA_TYPE": (415, "POST", PATH, VALID, {"Content-Encoding": "gzip"}),
    "PAYLOAD_TOO_LARGE": (413, "POST", PATH, VALID.ljust(65537), {}),
    "IDEMPOTENCY_KEY_REUSED": (422, "POST", PATH, VALID.replace(b"hard", b"easy"), KEY),
}


def provoke(instance: Instance, code: str, accept: str) -> Answer:
    _, method, path, body, headers = ERRORS[code]
    if code == "IDEMPOTENCY_KEY_REUSED":
        instance.request("POST", PATH, VALID, KEY)
    return instance.request(method, path, body, {**headers, "Accept": accept})


@pytest.mark.parametrize("code", ERRORS)
def test_errors(instance: Instance, code: str) -> None:
    """Each error has both forms, with the same status, code and text."""
    problem, plain = provoke(instance, code, PROBLEM), provoke(instance, code, "*/*")

    status = ERRORS[code][0]
    assert problem.status == plain.status == status
    assert problem.headers["content-type"] == PROBLEM
    assert plain.headers["content-type"] == "application/json"
    assert list(plain.json()) == ["code", "message"]
    assert plain.json()["code"] == code
    assert problem.json() == {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": plain.json()["message"],
        "code": code,
    }


@on_uvicorn
@pytest.mark.parametrize(
    "accept",
    [
        "Application/Problem+JSON",
        "application/problem+json;q=0.001",
        "application/problem+json ; charset=utf-8 ; q=1.0",
        "text/html, application/problem+json;q=0.5, */*;q=0.1",
        "application/json, application/problem+json",
        "application/problem+json;q=0.6, application/json;q=0.5",
        "application/json;q=0.1, application/problem+json;q=0.2, */*",
    ],
)
def test_problem_preferred(instance: Instance, accept: str) -> None:
    """A client that prefers application/problem+json gets it."""
    answer = instance.get("/nothing", Accept=accept)

    assert answer.headers["content-type"] == PROBLEM


@on_uvicorn
@pytest.mark.parametrize(
    "accept",
    [
        None,
        "",
        "application/*",
        "application/json",
        "application/problem+xml",
        "application/problem+json;q=0",
        "application/json, application/problem+json; q=0.000",
        "application/problem+json5",
        "application/json, application/problem+json;q=0.9",
        "application/problem+json; q=0.1, application/json; q=0.2",
        "application/problem+json;q=0.5, */*",
        "application/*, application/problem+json;q=0.5, */*;q=0.1",
        ",;,=;q",
    ],
)
def test_problem_not_preferred(instance: Instance, accept: str | None) -> None:
    """Any other Accept gets application/json."""
    headers = {} if accept is None else {"Accept": accept}

    answer = instance.get("/nothing", **headers)

    assert answer.headers["content-type"] == "application/json"


def test_two_accept_headers(instance: Instance) -> None:
    """Two Accept headers are read as one list."""
    received = instance.raw(
        b"GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"Accept: text/html\r\nAccept: application/problem+json\r\n\r\n"
    )

    assert b"application/problem+json" in received


def test_success(instance: Instance) -> None:
    """A successful answer is application/json, whatever Accept says."""
    answer = instance.post(headers={"Accept": "application/problem+json"})

    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
