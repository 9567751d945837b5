"""A request that can never succeed is told why, and in our own words."""

import json
import re

import pytest

from function.errors import InvalidRequest
from function.http.delivery import parse_delivery
from tests.instance import FEEDBACK

VALID = json.dumps(FEEDBACK).encode()
FOREIGN = re.compile(
    r"pydantic|json\.|Input should|validation error|Traceback|char \d|delimiter|Expecting"
)
SYNTAX = re.compile(r"the body is (empty|nested too deeply|not valid JSON at line 1, column \d+)")


def refusal(body: bytes) -> str:
    with pytest.raises(InvalidRequest) as caught:
        parse_delivery({}, body)
    message = str(caught.value)
    assert not FOREIGN.search(message)
    return message


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" \n",
        b"student_id=550e8400-e29b-41d4-a716-446655440000&task_id=1&message=x",
        VALID[:-1],
        VALID[:-1] + b",}",
        VALID + b"}",
        VALID + VALID,
        VALID + b"\0",
        b"\xef\xbb\xbf\xef\xbb\xbf" + VALID,
        VALID.replace(b'"', b"'"),
        VALID.replace(b"hard", b"\0hard"),
        VALID.replace(b"hard", b"\nhard"),
        VALID.replace(b"hard", rb"\x41"),
        VALID.replace(b'"This', b'/* a comment */ "This'),
        VALID[:-1] + b', "unknown": NaN}',
        VALID[:-1] + b', "unknown": -Infinity}',
        VALID[:-1] + b', "unknown": 01}',
        VALID.decode().encode("utf-16"),
        VALID.decode().encode("utf-16-be"),
        b"\xff" * 100,
        b"[" * 65536,
        b'{"a":' * 13107,
        VALID[:-1] + b', "unknown": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    ],
    ids=lambda body: ascii(body)[:40],
)
def test_what_is_not_json_is_refused(body: bytes) -> None:
    assert SYNTAX.fullmatch(refusal(body))


@pytest.mark.parametrize(
    "number",
    ["1e999999", "-1E+400", "9" * 4000, "9" * 60_000, "0." + "1" * 9000],
    ids=["1e999999", "-1E+400", "4000 digits", "60000 digits", "9000 decimals"],
)
def test_a_huge_number_in_an_unknown_field_is_ignored(number: str) -> None:
    body = VALID[:-1] + f', "unknown": {number}}}'.encode()

    assert len(parse_delivery({}, body).submissions) == 1


@pytest.mark.parametrize("body", [b"[]", b"null", b"true", b"5", b'"text"', b"[" + VALID + b"]"])
def test_json_that_is_no_object_is_refused(body: bytes) -> None:
    assert refusal(body) == "the body must be a JSON object"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        *(({field: ...}, [field]) for field in FEEDBACK),
        *(
            ({field: value}, [field])
            for field in FEEDBACK
            for value in (None, 5, 0.5, True, [], ["x"], {}, {"x": "y"}, "")
        ),
        ({"student_id": ..., "message": ...}, ["student_id", "message"]),
        ({"student_id": "nobody", "task_id": 5, "message": ...}, list(FEEDBACK)),
        ({"student_id": None, "task_id": "", "message": "x" * 5001}, list(FEEDBACK)),
        ({"student_id": ..., "task_id": ..., "message": ...}, list(FEEDBACK)),
        ({"task_id": "\0", "message": "\0"}, ["task_id", "message"]),
    ],
    ids=lambda value: ascii(value)[:60],
)
def test_every_missing_or_wrong_field_is_named_in_one_message(
    changes: dict[str, object], named: list[str]
) -> None:
    feedback = {**FEEDBACK, **changes}
    present = {name: value for name, value in feedback.items() if value is not ...}

    message = refusal(json.dumps(present).encode())

    assert [part.split()[0] for part in message.split("; ")] == named
    for name in named:
        assert (f"{name} is missing" in message) == (name not in present)
