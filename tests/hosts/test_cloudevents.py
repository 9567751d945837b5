"""Feedback may come as a CloudEvent: stored once, however often a broker sends it."""

import json
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import pytest

from tests.hosts.conftest import Rows
from tests.hosts.sdk import Sdk, running_sdk
from tests.instance import FEEDBACK, PATH, ROOT, Answer, Instance

SUBMITTED = "mentor.feedback.submitted"
STRUCTURED = "application/cloudevents+json"
BATCHED = "application/cloudevents-batch+json"
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"
HOP = "00-11111111111111111111111111111111-00f067aa0ba902b7-01"


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


def attributes(event_id: str = "1", **more: str) -> dict[str, str]:
    return {"specversion": "1.0", "id": event_id, "source": "/app", "type": SUBMITTED, **more}


def event(student: str, event_id: str = "1", message: str = "Zu schwer 😀") -> dict[str, Any]:
    data = {**FEEDBACK, "student_id": student, "message": message}
    return {**attributes(event_id), "datacontenttype": "application/json", "data": data}


def send_binary(
    instance: Instance, one: Mapping[str, Any], path: str = "/", **headers: str
) -> Answer:
    sent = {f"ce-{name}": value for name, value in one.items() if isinstance(value, str)}
    sent = {"content-type": sent.pop("ce-datacontenttype"), **sent, **headers}
    return instance.request("POST", path, json.dumps(one["data"]).encode(), sent)


def send_structured(
    instance: Instance, one: Mapping[str, Any], path: str = "/", **headers: str
) -> Answer:
    sent = {"content-type": STRUCTURED, **headers}
    return instance.request("POST", path, json.dumps(one).encode(), sent)


def send_batch(instance: Instance, *events: object, path: str = "/", **headers: str) -> Answer:
    sent = {"content-type": BATCHED, **headers}
    return instance.request("POST", path, json.dumps(events).encode(), sent)


def replayed(answer: Answer) -> str | None:
    return answer.headers.get("idempotency-replayed")


def context(answer: Answer) -> dict[str, str]:
    """The attributes of a reply in binary mode."""
    return {name[3:]: value for name, value in answer.headers.items() if name.startswith("ce-")}


@pytest.mark.parametrize("mode", ["binary", "structured"])
@pytest.mark.parametrize("path", ["/", PATH])
def test_the_sdk_writes_an_event_and_reads_the_reply(
    instance: Instance, student: str, rows: Rows, sdk: Sdk, mode: str, path: str
) -> None:
    data = {**FEEDBACK, "student_id": student, "message": "Zu schwer 😀"}
    sent = attributes(datacontenttype="application/json", traceparent=TRACEPARENT)
    headers, body = sdk.write(mode, sent, data)

    answer = instance.request("POST", path, body, headers)

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
def test_an_event_may_come_on_each_path_and_has_the_answer_of_a_plain_request_in_it(
    instance: Instance, student: str, path: str
) -> None:
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


def test_a_repeat_in_any_mode_gets_the_first_answer_and_makes_no_row(
    instance: Instance, student: str, rows: Rows
) -> None:
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


def test_an_event_with_the_source_and_id_of_another_is_refused(
    instance: Instance, student: str, rows: Rows
) -> None:
    send_binary(instance, event(student))

    refused = send_binary(instance, event(student, message="zebra"))

    assert (refused.status, refused.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert refused.headers["content-type"] == "application/json"
    assert "ce-id" not in refused.headers
    assert len(rows(student)) == 1


def test_source_and_id_go_before_an_idempotency_key(
    instance: Instance, student: str, rows: Rows
) -> None:
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


def test_the_trace_of_the_event_goes_on_or_else_that_of_the_request(
    instance: Instance, student: str, rows: Rows
) -> None:
    traced = {**event(student, "traced"), "traceparent": TRACEPARENT}
    send_binary(instance, traced, traceparent=HOP)
    send_structured(instance, event(student, "untraced"), traceparent=HOP)
    send_batch(instance, {**traced, "id": "a"}, {**traced, "id": "b", "traceparent": HOP})

    traces = sorted(row["traceparent"].split("-")[1] for row in rows(student))
    assert traces == ["1" * 32, "1" * 32, TRACE_ID, TRACE_ID]


def test_a_batch_has_one_answer_in_the_order_of_its_events(
    instance: Instance, student: str, rows: Rows
) -> None:
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


def test_the_largest_batch_is_one_transaction(
    instance: Instance, student: str, rows: Rows, database_connection: Any
) -> None:
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


def test_an_empty_batch_is_done_at_once(instance: Instance) -> None:
    answer = send_batch(instance)

    assert (answer.status, answer.json(), replayed(answer)) == (200, [], None)


def test_a_batch_with_one_bad_event_stores_nothing(
    instance: Instance, student: str, rows: Rows
) -> None:
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


def test_func_invoke_is_told_what_its_defaults_lack(instance: Instance, student: str) -> None:
    """What the defaults of `func invoke` send, in both of its formats."""
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


def test_errors_come_in_the_same_two_forms_as_elsewhere(instance: Instance, student: str) -> None:
    other_format = {"content-type": "application/cloudevents+avro"}
    error = instance.request("POST", "/", b"", other_format)
    problem = instance.request(
        "POST", "/", b"", {**other_format, "Accept": "application/problem+json"}
    )
    form = send_binary(instance, {**event(student), "datacontenttype": "text/plain"})

    assert (error.status, error.json()["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert (problem.status, problem.json()["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert problem.headers["content-type"] == "application/problem+json"
    assert form.status == 415
    assert all(answer.headers["x-request-id"] for answer in (error, problem, form))


def test_a_header_may_hold_any_text(instance: Instance, student: str, rows: Rows) -> None:
    encoded = {**event(student), "id": "Euro%20%E2%82%AC", "source": "/%22caf%C3%A9%22"}
    decoded = {**event(student), "id": "Euro €", "source": '/"café"'}

    assert send_binary(instance, encoded).status == 200
    again = send_structured(instance, decoded)

    assert (again.status, replayed(again), len(rows(student))) == (200, "true", 1)


@pytest.mark.parametrize("event_id", ["x%E9", "a%20b", "a b", "100%", "%2525", '50 "%"'])
def test_an_event_has_one_id_in_each_mode_of_the_sdk(
    instance: Instance, student: str, rows: Rows, sdk: Sdk, event_id: str
) -> None:
    """The SDK percent-encodes headers from 2.x on, but for its interface of 1.x."""
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


def test_no_event_is_lost_whose_id_is_another_percent_encoded(
    instance: Instance, student: str, rows: Rows
) -> None:
    ids = ["a b", "a%20b", "a%2520b", "x%E9", "x%C3%A9"]
    events = [event(student, name, f"of {name}") for name in ids]

    for _ in range(2):
        assert {send_binary(instance, one).status for one in events} == {200}
        assert {send_structured(instance, one).status for one in events} == {200}

    assert sorted(row["message"] for row in rows(student)) == sorted(f"of {it}" for it in ids)


@pytest.mark.parametrize("environment", [".venv", ".venv-func"])
def test_no_plain_request_imports_the_sdk(environment: str) -> None:
    """Importing the SDK takes time, so only the first event does it."""
    headers = {f"ce-{name}": value for name, value in attributes().items()}
    script = (
        "import sys, function.http.asgi\n"
        "from function.http.delivery import parse_delivery\n"
        f"body = {json.dumps(FEEDBACK).encode()!r}\n"
        "parse_delivery({'content-type': 'application/json'}, body)\n"
        "print('cloudevents' in sys.modules)\n"
        f"parse_delivery({headers!r}, body)\n"
        "print('cloudevents' in sys.modules)\n"
    )
    python = ROOT / environment / "bin/python"
    done = subprocess.run(
        [python, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "True"]
