"""Errors come as RFC 9457 problems to those who ask for them, with the same code."""

import json
import uuid
from collections.abc import Mapping
from http import HTTPStatus

import pytest

from tests.instance import FEEDBACK, PATH, Answer, Instance

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


def provoke(instance: Instance, code: str, accept: str | None) -> Answer:
    _, method, path, body, headers = ERRORS[code]
    if code == "IDEMPOTENCY_KEY_REUSED":
        instance.request("POST", PATH, VALID, KEY)
    wanted = {} if accept is None else {"Accept": accept}
    return instance.request(method, path, body, {**headers, **wanted})


@pytest.mark.parametrize("code", ERRORS)
@pytest.mark.parametrize(
    "accept",
    [
        "application/problem+json",
        "Application/Problem+JSON",
        "application/problem+json;q=0.001",
        "application/problem+json ; charset=utf-8 ; q=1.0",
        "text/html, application/problem+json;q=0.5, */*;q=0.1",
        "application/json, application/problem+json",
        "application/problem+json;q=0.6, application/json;q=0.5",
        "application/json;q=0.1, application/problem+json;q=0.2, */*",
    ],
)
def test_who_accepts_problems_gets_a_problem(instance: Instance, code: str, accept: str) -> None:
    answer = provoke(instance, code, accept)

    status = ERRORS[code][0]
    problem = answer.json()
    assert answer.status == problem["status"] == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert (problem["type"], problem["title"]) == ("about:blank", HTTPStatus(status).phrase)
    assert problem["code"] == code
    assert problem["detail"] == provoke(instance, code, None).json()["message"]
    assert set(problem) == {"type", "title", "status", "detail", "code"}


@pytest.mark.parametrize("code", ERRORS)
@pytest.mark.parametrize(
    "accept",
    [
        None,
        "",
        "*/*",
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
def test_anyone_else_gets_code_and_message(
    instance: Instance, code: str, accept: str | None
) -> None:
    answer = provoke(instance, code, accept)

    assert answer.status == ERRORS[code][0]
    assert answer.headers["content-type"] == "application/json"
    assert list(answer.json()) == ["code", "message"]
    assert answer.json()["code"] == code


def test_the_accept_header_may_come_in_two_lines(instance: Instance) -> None:
    received = instance.raw(
        b"GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"Accept: text/html\r\nAccept: application/problem+json\r\n\r\n"
    )

    assert b"application/problem+json" in received


def test_a_success_is_no_problem(instance: Instance) -> None:
    answer = instance.post(headers={"Accept": "application/problem+json"})

    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
