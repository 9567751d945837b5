"""Requests with the same Idempotency-Key are stored once and get the same answer."""

import json
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.hosts.conftest import Rows
from tests.instance import FEEDBACK, PATH, Answer, Instance

ALL = "".join(map(chr, range(33, 127)))  # with a quote and a backslash


def send(instance: Instance, student: str, key: str, **changes: str) -> Answer:
    headers = {"Idempotency-Key": key}
    return instance.post({**FEEDBACK, "student_id": student, **changes}, headers)


def replayed(answer: Answer) -> str | None:
    return answer.headers.get("idempotency-replayed")


@pytest.mark.parametrize(
    "key",
    [
        "1",
        "x" * 255,
        '"' + "x" * 255 + '"',
        '"p1";v=1',
        "two words",
        "a;b=1, c",
        "%00",
        ALL,
    ],
    ids=lambda key: key[:20],
)
def test_repeat(instance: Instance, student: str, rows: Rows, key: str) -> None:
    """A repeat gets the first answer byte for byte, and a header that says so."""
    first, second, third = (send(instance, student, key) for _ in range(3))

    assert [answer.status for answer in (first, second, third)] == [200, 200, 200]
    assert first.body == second.body == third.body
    assert [replayed(answer) for answer in (first, second, third)] == [None, "true", "true"]
    assert len(rows(student)) == 1


def test_other_spelling(instance: Instance, student: str) -> None:
    """A repeat may spell the same feedback differently."""
    first = send(instance, student, "spelling")
    body = (
        '{"message": "\\u0054his is too hard", "task_id": "task-123", "unknown": 1, '
        f'"student_id": "urn:uuid:{student.upper()}"}}'
    )

    second = instance.request(
        "POST", "/v1/feedback/", body.encode(), {"idempotency-key": "spelling"}
    )

    assert (second.status, second.body, replayed(second)) == (200, first.body, "true")


@pytest.mark.parametrize(("key", "another"), [("abc", "ABC"), ("a", "aa"), ("a b", "a  b")])
def test_other_key(instance: Instance, student: str, rows: Rows, key: str, another: str) -> None:
    """Another key is another request."""
    assert replayed(send(instance, student, key)) is None
    assert replayed(send(instance, student, another)) is None
    assert len(rows(student)) == 2


@pytest.mark.parametrize("changes", [{"message": "zebra"}, {"task_id": "zebra"}])
def test_other_payload(
    instance: Instance, student: str, rows: Rows, changes: dict[str, str]
) -> None:
    """A key that is reused with another payload gets 422; its first answer stays valid."""
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
def test_texts_stored_alike(instance: Instance, student: str, rows: Rows, field: str) -> None:
    """Invalid texts that are stored alike still count as different payloads."""
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


def test_two_students(instance: Instance, student: str, rows: Rows) -> None:
    """Two students can use the same key."""
    other = str(uuid.uuid4())

    assert send(instance, student, "shared").json()["student_id"] == student
    answer = send(instance, other, "shared", message="something else")

    assert (answer.status, answer.json()["student_id"], replayed(answer)) == (200, other, None)
    assert (len(rows(student)), len(rows(other))) == (1, 1)


@pytest.mark.parametrize(
    "key",
    [b"", b'""', b"x" * 256, b'"' + b"x" * 256 + b'"', "é".encode(), b"\xe9", b"a\tb", b'"\t"'],
    ids=lambda key: ascii(key)[:20],
)
def test_invalid_key(instance: Instance, student: str, rows: Rows, key: bytes) -> None:
    """A key that is not 1 to 255 printable ASCII characters gets 400."""
    body = json.dumps({**FEEDBACK, "student_id": student}).encode()
    received = instance.raw(
        f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n".encode()
        + b"Idempotency-Key: %b\r\nContent-Length: %d\r\n\r\n%b" % (key, len(body), body)
    )

    assert received.split()[1] == b"400"
    assert b'{"code": "INVALID_REQUEST", "message": "Idempotency-Key ' in received
    assert rows(student) == []


def test_concurrent_repeats(instance: Instance, student: str, rows: Rows) -> None:
    """50 concurrent requests with one key store one row and get equal answers."""
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: send(instance, student, "race"), range(50)))

    assert {answer.status for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 1
    assert [replayed(answer) for answer in answers].count(None) == 1
    assert len(rows(student)) == 1


def test_concurrent_payloads(instance: Instance, student: str, rows: Rows) -> None:
    """Of concurrent requests with one key and different payloads, one is stored."""
    messages = [f"message {number}" for number in range(20)]

    with ThreadPoolExecutor(20) as pool:
        answers = list(
            pool.map(lambda text: send(instance, student, "race", message=text), messages)
        )

    assert sorted(answer.status for answer in answers) == [200] + [422] * 19
    [row] = rows(student)
    assert answers[messages.index(row["message"])].status == 200
