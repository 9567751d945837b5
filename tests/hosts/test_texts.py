"""Texts are stored unchanged, as far as PostgreSQL and Unicode allow."""

import json

import pytest

from tests.hosts.conftest import Rows, on_uvicorn
from tests.instance import FEEDBACK, PATH, Answer, Instance

EMOJI = "\N{GRINNING FACE}"


def send(instance: Instance, student: str, field: str, literal: bytes) -> Answer:
    """Post feedback whose `field` has this literal as its JSON."""
    document = json.dumps({**FEEDBACK, "student_id": student, field: "HERE"}).encode()
    return instance.request("POST", PATH, document.replace(b'"HERE"', literal))


@pytest.mark.parametrize(
    ("written", "size"),
    [
        (f'"{EMOJI * 5000}"'.encode(), 20_002),
        (json.dumps(EMOJI * 5000).encode(), 60_002),
        (b'"%s"' % (b"x" * 5000), 5002),
    ],
    ids=["emoji in UTF-8", "emoji as escapes", "letters"],
)
def test_longest_message(
    instance: Instance, student: str, rows: Rows, written: bytes, size: int
) -> None:
    """A message of 5000 code points is stored, in UTF-8 and as JSON escapes."""
    assert len(written) == size

    assert send(instance, student, "message", written).status == 200
    assert rows(student)[0]["message"] == json.loads(written)


def test_long_task_id(instance: Instance, student: str, rows: Rows) -> None:
    """The length of task_id is limited only by the body's limit."""
    answer = instance.post({**FEEDBACK, "student_id": student, "task_id": "x" * 60_000})

    assert answer.json()["task_id"] == rows(student)[0]["task_id"] == "x" * 60_000


@on_uvicorn
@pytest.mark.parametrize("field", ["task_id", "message"])
@pytest.mark.parametrize(
    ("written", "stored"),
    [
        (rb'"\ud83d"', "\ufffd"),
        (rb'"a\ude00b"', "a\ufffdb"),
        (rb'"\ude00\ud83d"', "\ufffd\ufffd"),
        (rb'"\ud83d\ud83d\ude00"', "\ufffd" + EMOJI),
        (b'"\xed\xa0\xbd"', "\ufffd\ufffd\ufffd"),
        (b'"caf\xe9"', "caf\ufffd"),
        (b'"\x80"', "\ufffd"),
        (b'"\xff\xfe"', "\ufffd\ufffd"),
        (b'"\xc0\xaf"', "\ufffd\ufffd"),
        (b'"\xf0\x9f\x98"', "\ufffd"),
        (b'"\xf4\x90\x80\x80!"', "\ufffd\ufffd\ufffd\ufffd!"),
    ],
    ids=[
        "high surrogate",
        "low surrogate",
        "reversed pair",
        "high surrogate before a pair",
        "surrogate in UTF-8",
        "Latin-1",
        "continuation byte",
        "bytes that UTF-8 never has",
        "overlong",
        "truncated",
        "beyond Unicode",
    ],
)
def test_invalid_unicode(
    instance: Instance, student: str, rows: Rows, field: str, written: bytes, stored: str
) -> None:
    """Lone surrogates and invalid UTF-8 are stored as U+FFFD."""
    answer = send(instance, student, field, written)

    assert answer.status == 200
    assert answer.json()["task_id"] == rows(student)[0]["task_id"]
    assert rows(student)[0][field] == stored


@on_uvicorn
@pytest.mark.parametrize(
    "text",
    [
        "\x01\x1f\x7f\x85",
        "\ufeff",
        "\u2028\u202e",
        "\ufffe\uffff\U0010ffff",
        "' \" \\ $1 {} %s",
        " ",
    ],
    ids=ascii,
)
def test_unusual_characters(instance: Instance, student: str, rows: Rows, text: str) -> None:
    """All other characters are stored unchanged."""
    feedback = {"student_id": student, "task_id": text, "message": text}

    assert instance.post(feedback).json()["task_id"] == text
    [row] = rows(student)
    assert (row["task_id"], row["message"]) == (text, text)


def test_byte_order_mark(instance: Instance, student: str) -> None:
    """A byte order mark before the JSON is ignored."""
    body = b"\xef\xbb\xbf" + json.dumps({**FEEDBACK, "student_id": student}).encode()

    assert instance.request("POST", PATH, body).status == 200
