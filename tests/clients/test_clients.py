"""HTTP clients and SDKs of Go, JavaScript and Java work with the function."""

import json
from typing import Any

import pytest

from tests.clients.conftest import Programs
from tests.hosts.conftest import Rows
from tests.instance import FEEDBACK, PATH, Instance

CLIENTS = [
    ("go", "net/http"),
    ("go", "reverse-proxy"),
    ("javascript", "fetch"),
    ("javascript", "undici"),
    ("java", "HttpClient"),
]
IDS = ["plain", "x%E9", "a%20b", "a b", "100%", "%2525"]
BEYOND_ASCII = "café"  # Java's HttpClient sends it as "caf?"

pytestmark = pytest.mark.clients


def url(instance: Instance, path: str = PATH) -> str:
    return f"http://127.0.0.1:{instance.port}{path}"


@pytest.fixture(params=CLIENTS, ids=" ".join)
def client(request: pytest.FixtureRequest) -> tuple[str, str]:
    found: tuple[str, str] = request.param
    return found


def post(
    programs: Programs, client: tuple[str, str], instance: Instance, body: str, **task: object
) -> Any:
    language, name = client
    task = {"chunked": False, "headers": {}, **task}
    return programs[language].do(client=name, url=url(instance), body=body, **task)


@pytest.mark.parametrize("chunked", [False, True], ids=["with a length", "in chunks"])
def test_feedback(
    programs: Programs,
    client: tuple[str, str],
    instance: Instance,
    student: str,
    rows: Rows,
    chunked: bool,
) -> None:
    """Each client stores feedback once, and gets the same answer for a repeat."""
    message = "Zu schwer \U0001f600 " * 400  # two packets
    body = json.dumps({**FEEDBACK, "student_id": student, "message": message}, ensure_ascii=False)
    headers = {"Idempotency-Key": "k", "X-Request-Id": "mine", "Content-Type": "application/json"}

    first, second = (
        post(programs, client, instance, body, headers=headers, chunked=chunked) for _ in range(2)
    )

    assert (first["status"], second["status"]) == (200, 200)
    assert first["body"] == second["body"]
    assert second["headers"]["idempotency-replayed"] == "true"
    assert first["headers"]["x-request-id"] == "mine"
    [row] = rows(student)
    assert row["message"] == message


def test_errors(programs: Programs, client: tuple[str, str], instance: Instance) -> None:
    """A client gets errors as JSON, and its next request works."""
    bodies = ["{}", "x" * 65_537, json.dumps(FEEDBACK)]

    answers = [post(programs, client, instance, body) for body in bodies]

    assert [answer["status"] for answer in answers] == [400, 413, 200]
    assert json.loads(answers[1]["body"])["code"] == "PAYLOAD_TOO_LARGE"


def events_of(language: str) -> list[str]:
    return IDS if language == "java" else [*IDS, BEYOND_ASCII]


@pytest.mark.parametrize("language", ["go", "javascript", "java"])
def test_event_ids(
    programs: Programs, instance: Instance, student: str, rows: Rows, language: str
) -> None:
    """An event is stored once, in whichever mode the SDK sends it."""
    for event_id in events_of(language):
        event = {
            "specversion": "1.0",
            "id": event_id,
            "source": "/a%20b/c%E9",
            "type": "mentor.feedback.submitted",
            "datacontenttype": "application/json",
            "data": {**FEEDBACK, "student_id": student, "message": event_id},
        }
        answers = [
            programs[language].do(client="sdk", url=url(instance, "/"), mode=mode, event=event)
            for mode in ("binary", "structured", "binary")
        ]
        assert [answer["status"] for answer in answers] == [200] * 3, answers
        for answer in answers:
            reply = answer["event"]
            assert reply["type"] == "mentor.strategy.updated"
            assert reply["data"]["student_id"] == student
    assert {row["message"] for row in rows(student)} == set(events_of(language))
    assert len(rows(student)) == len(events_of(language))
