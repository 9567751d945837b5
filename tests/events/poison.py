"""Records that a consumer of the topic must skip: other events, and broken ones.

`MARK` is in them wherever text can be: the log must not contain it.
"""

import json

from tests.events.contract import message

MARK = "words of a student"

Headers = list[tuple[str, bytes | None]]
Content = tuple[Headers, bytes | None]  # the headers and the value of a record


def poison() -> list[Content]:
    """Return one record of each kind."""
    return [
        ([], value()),
        ([], b""),
        ([], None),
        (headers(ce_type=b"another.type"), value()),
        (headers("strategyRevised"), value("strategyRevised")),
        (headers(ce_type=b"\xff"), value()),
        (headers(ce_type=None), value()),
        ([("content-type", b"application/cloudevents+json")], structured()),
        (headers(ce_id=None), value()),
        (headers(ce_id=b"\xff"), value()),
        (headers(ce_id=MARK.encode()), value()),
        ([header for header in headers() if header[0] != "ce_id"], value()),
        (headers(), None),
        *((headers(), broken) for broken in BROKEN),
    ]


def headers(name: str = "strategyUpdated", **changed: bytes | None) -> Headers:
    """Return the headers of this message's example, with changes."""
    (example,) = message(name)["examples"]
    encoded = {header: text.encode() for header, text in example["headers"].items()}
    return list({**encoded, **changed}.items())


def value(name: str = "strategyUpdated", **changed: object) -> bytes:
    """Return the value of this message's example, with changes."""
    (example,) = message(name)["examples"]
    return json.dumps({**example["payload"], "message": MARK, **changed}).encode()


def structured() -> bytes:
    """Return an event in CloudEvents' structured mode: the attributes are in the value."""
    attributes = {name.removeprefix("ce_"): (text or b"").decode() for name, text in headers()}
    return json.dumps({**attributes, "data": json.loads(value())}).encode()


NOT_ROWS = [
    b"",
    b"null",
    b"[]",
    b"{}",
    MARK.encode(),
    b'"' + MARK.encode(),
    b"\xff\xfe\x00",
    b"9" * 10_000,
    b"[" * 500_000,
    b"<event>" + MARK.encode() * 40_000,
]
WRONG_STUDENTS: list[object] = [None, 5, [], {}, "", MARK, "\ud800"]
BROKEN = [*NOT_ROWS, *(value(student_id=wrong) for wrong in WRONG_STUDENTS)]
