"""Feedback sent as a CloudEvent is stored once, however often a broker sends it."""

import json
import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from tests.hosts.conftest import Rows
from tests.hosts.events import (
    STRUCTURED,
    SUBMITTED,
    attributes,
    event,
    replayed,
    send_batch,
    send_binary,
    send_structured,
)
from tests.hosts.sdk import Sdk, running_sdk
from tests.instance import FEEDBACK, PATH, ROOT, Answer, Instance

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"


@pytest.fixture(
    scope="session",
    params=[
        pytest.param((".venv", "cloudevents.http"), id="SDK 1.x"),
        pytest.param((".venv-func", "cloudevents.v1.http"), id="SDK 2.x as 1.x"),
        pytest.param((".venv-func", "cloudevents.core.bindings.http"), id="SDK 2.x"),
    ],
)
def sdk(request: pytest.FixtureRequest) -> Iterator[Sdk]:
    environment, module = request.param
    with running_sdk(ROOT / environment / "bin/python", module) as running:
        yield running


def context(answer: Answer) -> dict[str, str]:
    """The attributes of a reply in binary mode."""
    return {name[3:]: value for name, value in answer.headers.items() if name.startswith("ce-")}


@pytest.mark.parametrize("mode", ["binary", "structured"])
@pytest.mark.parametrize("path", ["/", PATH])
def test_sdk(instance: Instance, student: str, rows: Rows, sdk: Sdk, mode: str, path: str) -> None:
    """Each version of the official SDK can write the request and read the reply."""
    data = {**FEEDBACK, "student_id": student, "message": "Zu schwer 😀"}
    sent = attributes(datacontenttype="application/json", traceparent=TRACEPARENT)
    headers, body = sdk.write(mode, sent, data)

    answer = instance.request("POST", "/", body, headers)

    assert answer.status == 200
    found, update = sdk.read(answer.headers, answer.body)
    [row] = rows(student)
    assert row["message"] == "Zu schwer 😀"
    assert datetime.fromisoformat(found.pop("time")) == row["created_at"]
    assert found == {
        "specversion": "1.0",
        "type": "mentor.strategy.updated",
        "source": "/mathtrail/mentor",
        "id": str(row["id"]),
        "datacontenttype": "application/json",
        "traceparent": row["traceparent"],
    }
    assert row["traceparent"].split("-")[1] == TRACE_ID
    assert (update["student_id"], update["task_id"]) == (student, "task-123")


@pytest.mark.parametrize("path", ["/", PATH, f"{PATH}/", "/v1/feedback"])
def test_paths(instance: Instance, student: str, path: str) -> None:
    """Each path accepts events, and the reply contains the answer to a plain request."""
    plain = instance.post({**FEEDBACK, "student_id": student}).json()

    binary = send_binary(instance, event(student, "binary"), path)
    structured = send_structured(instance, event(student, "structured"), path)

    assert (binary.status, structured.status) == (200, 200)
    assert binary.headers["content-type"] == "application/json"
    assert structured.headers["content-type"] == STRUCTURED
    assert binary.headers["ce-time"] == binary.json()["timestamp"]
    for update in (binary.json(), structured.json()["data"]):
        assert list(update) == list(plain)
        assert {**update, "timestamp": None} == {**plain, "timestamp": None}


def test_repeat(instance: Instance, student: str, rows: Rows) -> None:
    """A repeat in any mode gets the first answer and stores no second row."""
    one = event(student)
    binary = [send_binary(instance, one, "/" if number else PATH) for number in range(3)]
    structured = [send_structured(instance, one) for _ in range(2)]
    batch = send_batch(instance, one)

    assert len(rows(student)) == 1
    assert [replayed(answer) for answer in (*binary, *structured, batch)] == [None, *["true"] * 5]
    contexts = [context(answer) for answer in binary]
    assert contexts == [contexts[0]] * 3
    assert [answer.body for answer in binary] == [binary[0].body] * 3
    assert structured[0].body == structured[1].body
    reply = structured[0].json()
    assert reply.pop("data") == binary[0].json()
    assert reply.pop("datacontenttype") == "application/json"
    assert reply == contexts[0]
    assert batch.json() == [binary[0].json()]


def test_reused_source_and_id(instance: Instance, student: str, rows: Rows) -> None:
    """Another payload with the same source and id gets 422 and is not stored."""
    send_binary(instance, event(student))

    refused = send_binary(instance, event(student, message="zebra"))

    assert (refused.status, refused.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert refused.headers["content-type"] == "application/json"
    assert "ce-id" not in refused.headers
    assert len(rows(student)) == 1


def test_idempotency_key(instance: Instance, student: str, rows: Rows) -> None:
    """An event is identified by its source and id; its Idempotency-Key is ignored."""
    key = {"Idempotency-Key": "k"}
    first = send_binary(instance, event(student), **key)
    again = send_binary(instance, event(student), **{"Idempotency-Key": "another"})
    other = send_binary(instance, event(student, "2"), **key)
    odd = send_binary(instance, event(student), **{"Idempotency-Key": ""})
    plain = instance.post({**FEEDBACK, "student_id": student}, key)

    assert [it.status for it in (first, again, other, odd, plain)] == [200] * 5
    assert [replayed(it) for it in (first, again, other, odd, plain)] == [
        None,
        "true",
        None,
        "true",
        None,
    ]
    assert len(rows(student)) == 3


def test_batch_order(instance: Instance, student: str, rows: Rows) -> None:
    """A batch gets one answer, with the strategies in the order of its events."""
    other = str(uuid.uuid4())
    send_binary(instance, event(student, "b", "old"))

    answer = send_batch(
        instance,
        event(student, "a", "new"),
        event(other, "a", "another student's"),
        event(student, "b", "old"),
        event(student, "a", "new"),
        path=PATH,
    )

    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert replayed(answer) is None
    updates = answer.json()
    assert [it["student_id"] for it in updates] == [student, other, student, student]
    assert updates[0] == updates[3] != updates[2]
    assert sorted(row["message"] for row in rows(student)) == ["new", "old"]
    assert len(rows(other)) == 1


def test_largest_batch(
    instance: Instance, student: str, rows: Rows, database_connection: Any
) -> None:
    """The largest batch that fits into a body is stored in one transaction."""
    events = [event(student, str(number), "x") for number in range(270)]

    answer = send_batch(instance, *events)

    assert len(json.dumps(events)) > 60_000
    assert (answer.status, len(answer.json())) == (200, 270)
    count = "SELECT count(*), count(DISTINCT xmin::text) FROM feedback WHERE student_id = :student"
    assert database_connection.run(count, student=student) == [[270, 1]]
    again = send_batch(instance, *events)
    assert (again.body, replayed(again)) == (answer.body, "true")
    too_large = send_batch(instance, *events, *events)
    assert (too_large.status, too_large.json()["code"]) == (413, "PAYLOAD_TOO_LARGE")


def test_empty_batch(instance: Instance) -> None:
    """An empty batch gets 200 and an empty list."""
    answer = send_batch(instance)

    assert (answer.status, answer.json(), replayed(answer)) == (200, [], None)


def test_bad_event_in_batch(instance: Instance, student: str, rows: Rows) -> None:
    """A batch with one invalid or contradicting event is refused as a whole."""
    send_binary(instance, event(student, "used"))
    good = [event(student, name) for name in "abc"]
    invalid = send_batch(instance, good[0], {**good[1], "type": "other"}, good[2])
    reused = send_batch(instance, good[0], event(student, "used", "something else"), good[2])
    contradiction = send_batch(instance, *good, event(student, "b", "something else"))

    assert (invalid.status, invalid.json()) == (
        400,
        {"code": "INVALID_REQUEST", "message": f"event 2: type must be {SUBMITTED}"},
    )
    assert (reused.status, reused.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert reused.json()["message"].startswith("event 2's source and id ")
    assert (contradiction.status, contradiction.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert contradiction.json()["message"].startswith("event 4's source and id ")
    assert len(rows(student)) == 1


def test_func_invoke(instance: Instance, student: str) -> None:
    """The default requests of `func invoke` get 400, which names what is missing."""
    hello = {"message": "Hello World"}
    plain = instance.request("POST", "/", json.dumps(hello).encode())
    boson = {**attributes(str(uuid.uuid4())), "source": "/boson/fn", "type": "boson.fn"}
    sent = send_binary(instance, {**boson, "datacontenttype": "application/json", "data": hello})
    whole = json.dumps({**FEEDBACK, "student_id": student}).encode()

    assert (plain.status, plain.json()) == (
        400,
        {"code": "INVALID_REQUEST", "message": "student_id is missing; task_id is missing"},
    )
    assert (sent.status, sent.json()) == (
        400,
        {"code": "INVALID_REQUEST", "message": f"type must be {SUBMITTED}"},
    )
    answer = instance.request("POST", "/", whole)
    assert (answer.status, answer.json()["student_id"]) == (200, student)


@pytest.mark.parametrize("event_id", ["x%E9", "a%20b", "a b", "100%", "%2525", '50 "%"'])
def test_odd_ids(instance: Instance, student: str, rows: Rows, sdk: Sdk, event_id: str) -> None:
    """An id has one row in all modes, whether or not the SDK percent-encodes its headers."""
    data = {**FEEDBACK, "student_id": student}
    sent = attributes(event_id, source="/a%2Fb", datacontenttype="application/json")

    answers = []
    for mode in ("binary", "structured", "binary"):
        headers, body = sdk.write(mode, sent, data)
        answers.append(instance.request("POST", "/", body, headers))

    assert [(it.status, replayed(it)) for it in answers] == [
        (200, None),
        (200, "true"),
        (200, "true"),
    ]
    assert len(rows(student)) == 1


def test_percent_encoded_ids(instance: Instance, student: str, rows: Rows) -> None:
    """Events whose ids differ only by percent-encoding are all stored."""
    ids = ["a b", "a%20b", "a%2520b", "x%E9", "x%C3%A9"]
    events = [event(student, name, f"of {name}") for name in ids]

    for _ in range(2):
        assert {send_binary(instance, one).status for one in events} == {200}
        assert {send_structured(instance, one).status for one in events} == {200}

    assert sorted(row["message"] for row in rows(student)) == sorted(f"of {it}" for it in ids)
