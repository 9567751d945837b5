"""/openapi.json matches the function: real answers are checked. `make fuzz` tries the rest."""

import json
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from schemathesis.specs.openapi.schemas import OpenApiSchema

from dev.ports import free_port
from tests.conftest import open_connection
from tests.hosts.conftest import on_uvicorn
from tests.hosts.issuer import Issuer, bearer, issuing
from tests.instance import FEEDBACK, Instance, running

# tests/hosts/test_odd_surroundings.py tests it, because it takes ten seconds.
TRIED_ELSEWHERE = 408
TOO_MANY_HEADERS = [(f"x-{number}", "") for number in range(101)]


@pytest.fixture
def function(feedback_database: str, tmp_path: Path) -> Iterator[Instance]:
    """An instance whose PostgreSQL refuses one task, so that there is a 500 too."""
    with closing(open_connection(feedback_database)) as connection:
        connection.run("ALTER TABLE feedback ADD CHECK (task_id <> 'bug')")
    with running(tmp_path / "log", feedback_database) as instance:
        yield instance.wait_until_ready()


@pytest.fixture
def without_database(tmp_path: Path) -> Iterator[Instance]:
    url = f"postgresql://postgres@127.0.0.1:{free_port()}/postgres"
    with running(tmp_path / "log-without-database", url, DATABASE_TIMEOUT="0.5") as instance:
        yield instance.wait_until_ready(probe="/health/startup")


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with issuing() as one:
        yield one


@pytest.fixture
def guarded(feedback_database: str, issuer: Issuer, tmp_path: Path) -> Iterator[Instance]:
    """An instance that checks callers, and accepts one feedback per student and hour."""
    environ = {**issuer.environ, "RATE_LIMIT": "1/h"}
    with running(tmp_path / "log-guarded", feedback_database, **environ) as instance:
        yield instance.wait_until_ready()


def test_answers(
    function: Instance, without_database: Instance, guarded: Instance, issuer: Issuer
) -> None:
    """Each operation's real answers are exactly the documented ones."""
    schema = schemathesis.openapi.from_dict(closed(function.get("/openapi.json").json()))

    assert schema.validate() is None
    for path in schema.raw_schema["paths"]:
        answers = [
            answer
            for accept in ("application/json", "application/problem+json")
            for answer in (
                [
                    *post_everything(function, without_database, path, accept),
                    *post_where_callers_are_checked(guarded, issuer, path, accept),
                ]
                if path in ("/", "/api/v1/feedback", "/v1/feedback")
                else get_from_both(function, without_database, path, accept)
            )
        ]
        check(schema, path, answers)


def closed(document: dict[str, Any]) -> dict[str, Any]:
    """Forbid additional fields: clients must tolerate them, but this test does not."""
    for component in document["components"]["schemas"].values():
        if component.get("additionalProperties") is True:
            component["additionalProperties"] = False
    return document


def check(schema: OpenApiSchema, path: str, answers: list[httpx.Response]) -> None:
    """Check that the answers are exactly the documented ones, and match their schemas."""
    [(method, operation)] = schema.raw_schema["paths"][path].items()
    documented = {
        (int(status), content_type)
        for status, response in operation["responses"].items()
        for content_type in response["content"]
        if int(status) != TRIED_ELSEWHERE
    }
    assert {
        (answer.status_code, answer.headers["content-type"]) for answer in answers
    } == documented
    for answer in answers:
        response = operation["responses"][str(answer.status_code)]
        optional = {name for name in response["headers"] if name.startswith(("ce-", "Idem"))}
        assert all(name in answer.headers for name in response["headers"].keys() - optional)
        schema[path][method.upper()].validate_response(answer)  # raises


def post_everything(
    function: Instance, without_database: Instance, path: str, accept: str
) -> Iterator[httpx.Response]:
    url, broken = (
        f"http://127.0.0.1:{port}{path}" for port in (function.port, without_database.port)
    )
    headers = {"Accept": accept}
    key = {**headers, "Idempotency-Key": f"{path} {accept}"}
    yield httpx.post(url, json={**FEEDBACK, "task_id": "bug"}, headers=headers)
    yield httpx.post(
        url, json=FEEDBACK, headers=headers
    )  # after the 500: a row makes it ready again
    first = httpx.post(url, json=FEEDBACK, headers=key)
    again = httpx.post(url, json=FEEDBACK, headers=key)
    assert again.headers["idempotency-replayed"] == "true"
    yield from (first, again)
    yield httpx.post(url, json={**FEEDBACK, "task_id": "other"}, headers=key)
    if path == "/":
        yield from post_events(url, accept)
    yield httpx.post(url, json={}, headers=headers)
    yield httpx.post(url, content=b" " * 65537, headers=headers)
    yield httpx.post(url, json=FEEDBACK, headers={**headers, "Content-Encoding": "gzip"})
    yield httpx.post(url, json=FEEDBACK, headers=TOO_MANY_HEADERS)
    yield httpx.post(broken, json=FEEDBACK, headers=headers)


def post_where_callers_are_checked(
    guarded: Instance, issuer: Issuer, path: str, accept: str
) -> Iterator[httpx.Response]:
    url, student = f"http://127.0.0.1:{guarded.port}{path}", str(uuid.uuid4())
    headers = {"Accept": accept, **bearer(issuer.key.token(student))}
    yield httpx.post(url, json=FEEDBACK, headers={"Accept": accept})
    yield httpx.post(url, json=FEEDBACK, headers=headers)
    for _ in range(2):
        yield httpx.post(url, json={**FEEDBACK, "student_id": student}, headers=headers)


def post_events(url: str, accept: str) -> Iterator[httpx.Response]:
    event = {"specversion": "1.0", "id": url, "source": accept, "type": "mentor.feedback.submitted"}
    document = {**event, "data": FEEDBACK}
    binary = {"Accept": accept, **{f"ce-{name}": value for name, value in event.items()}}
    structured = {"Accept": accept, "Content-Type": "application/cloudevents+json"}
    batched = {"Accept": accept, "Content-Type": "application/cloudevents-batch+json"}
    yield httpx.post(url, json=FEEDBACK, headers=binary)
    yield httpx.post(url, json=document, headers=structured)
    yield httpx.post(url, json=[document], headers=batched)
    yield httpx.post(url, content=b"<event/>", headers={**binary, "Content-Type": "text/xml"})


def get_from_both(
    function: Instance, without_database: Instance, path: str, accept: str
) -> Iterator[httpx.Response]:
    for port in (function.port, without_database.port):
        url = f"http://127.0.0.1:{port}{path}"
        yield httpx.get(url, headers={"Accept": accept})
        yield httpx.get(url, headers=TOO_MANY_HEADERS)


@on_uvicorn
def test_reply_attributes(instance: Instance) -> None:
    """The documented ce- headers are exactly those of a reply."""
    url = f"http://127.0.0.1:{instance.port}/"
    operation = httpx.get(f"{url}openapi.json").json()["paths"]["/"]["post"]

    reply, *_ = post_events(url, "*/*")

    described = {name for name in operation["responses"]["200"]["headers"] if name[:3] == "ce-"}
    assert {name for name in reply.headers if name[:3] == "ce-"} == described


@on_uvicorn
def test_limits(instance: Instance) -> None:
    """The schema of feedback contains its limits."""
    document = instance.get("/openapi.json").json()

    feedback = document["components"]["schemas"]["Feedback"]
    assert document["openapi"].startswith("3.1.")
    assert feedback["required"] == ["student_id", "task_id", "message"]
    assert feedback["properties"]["student_id"]["format"] == "uuid"
    message = feedback["properties"]["message"]
    assert (message["minLength"], message["maxLength"]) == (1, 5000)


def test_hosts(instance: Instance, function: Instance) -> None:
    """All hosts serve the same description."""
    answer = instance.get("/openapi.json")

    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert json.dumps(answer.json()) == json.dumps(function.get("/openapi.json").json())
