"""A request may come again under its Idempotency-Key: it is stored once and answered alike."""

import json

import pytest

from tests.hosts.conftest import Rows
from tests.instance import FEEDBACK, PATH, Answer, Instance

ALL = "".join(map(chr, range(33, 127)))  # a quote and a backslash among them


def send(instance: Instance, student: str, key: str, **changes: str) -> Answer:
    headers = {"Idempotency-Key": key}
    return instance.post({**FEEDBACK, "student_id": student, **changes}, headers)


def replayed(answer: Answer) -> str | None:
    return answer.headers.get("idempotency-replayed")


@pytest.mark.parametrize(
    "key",
    ["x" * 255, "two words", ALL],
    ids=lambda key: key[:20],
)
def test_a_repeat_gets_the_first_answer_byte_for_byte_and_says_so(
    instance: Instance, student: str, rows: Rows, key: str
) -> None:
    first, second, third = (send(instance, student, key) for _ in range(3))

    assert [answer.status for answer in (first, second, third)] == [200, 200, 200]
    assert first.body == second.body == third.body
    assert [replayed(answer) for answer in (first, second, third)] == [None, "true", "true"]
    assert len(rows(student)) == 1


def test_a_repeat_may_differ_in_all_but_its_meaning(instance: Instance, student: str) -> None:
    first = send(instance, student, "spelling")
    body = (
        '{"message": "\\u0054his is too hard", "task_id": "task-123", "unknown": 1, '
        f'"student_id": "urn:uuid:{student.upper()}"}}'
    )

    second = instance.request(
        "POST", "/v1/feedback/", body.encode(), {"idempotency-key": "spelling"}
    )

    assert (second.status, second.body, replayed(second)) == (200, first.body, "true")


@pytest.mark.parametrize("changes", [{"message": "zebra"}, {"task_id": "zebra"}])
def test_a_key_with_another_payload_is_refused_and_stays_with_its_first(
    instance: Instance, student: str, rows: Rows, changes: dict[str, str]
) -> None:
    first = send(instance, student, "used")

    refused = send(instance, student, "used", **changes)

    assert (refused.status, refused.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert "zebra" not in refused.json()["message"]
    assert replayed(refused) is None
    assert send(instance, student, "used").body == first.body
    [row] = rows(student)
    assert (row["task_id"], row["message"]) == (FEEDBACK["task_id"], FEEDBACK["message"])


ALIKE = [b"caf\xe9", b"caf\xe8", b"caf\\ud83d", "caf\ufffd".encode()]


@pytest.mark.parametrize("field", ["task_id", "message"])
def test_texts_that_are_stored_alike_are_different_payloads(
    instance: Instance, student: str, rows: Rows, field: str
) -> None:
    document = json.dumps({**FEEDBACK, "student_id": student, field: "HERE"}).encode()

    def post(text: bytes, key: str) -> Answer:
        body = document.replace(b"HERE", text)
        return instance.request("POST", PATH, body, {"Idempotency-Key": key})

    for text in ALIKE:
        first = post(text, text.hex())
        others = [post(other, text.hex()) for other in ALIKE if other != text]
        assert {(it.status, it.json()["code"]) for it in others} == {
            (422, "IDEMPOTENCY_KEY_REUSED")
        }
        again = post(text, text.hex())
        assert (again.body, replayed(again)) == (first.body, "true")
    assert {row[field] for row in rows(student)} == {"caf\ufffd"}


@pytest.mark.parametrize(
    "key",
    [b"", b"x" * 256, "é".encode(), b"\xe9", b"a\tb"],
    ids=lambda key: ascii(key)[:20],
)
def test_a_key_that_is_not_1_to_255_printable_ascii_characters_is_refused(
    instance: Instance, student: str, rows: Rows, key: bytes
) -> None:
    body = json.dumps({**FEEDBACK, "student_id": student}).encode()
    received = instance.raw(
        f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n".encode()
        + b"Idempotency-Key: %b\r\nContent-Length: %d\r\n\r\n%b" % (key, len(body), body)
    )

    assert received.split()[1] == b"400"
    assert b'{"code": "INVALID_REQUEST", "message": "Idempotency-Key ' in received
    assert rows(student) == []
