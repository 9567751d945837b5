"""Bodies of requests: feedback and CloudEvents, most of them nearly right."""

import json
from base64 import b64encode
from typing import Any

from hypothesis import strategies as st

from tests.instance import FEEDBACK, ODD, STUDENT

TEXT = st.text(st.characters(codec=None, categories=None), max_size=40)  # with surrogates
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=10,
)
ODD_BODIES = [
    b"",
    b" ",
    b"null",
    b"[]",
    b"\xef\xbb\xbf{}",
    b"[" * 3000,
    b'{"a":' * 600 + b"1" + b"}" * 600,
    b'{"student_id": NaN}',
    b"1" * 5000,
    b" " * 65536,
    b" " * 65537,
    json.dumps({**FEEDBACK, "message": "\U0001f600" * 5000}).encode(),
    json.dumps({**FEEDBACK, "message": "x" * 5001}).encode(),
    json.dumps(FEEDBACK).encode("utf-16"),
]
STUDENTS = [STUDENT, STUDENT.upper(), f"urn:uuid:{STUDENT}", f"{{{STUDENT}}}", STUDENT[:-1], ODD]
EVENT = {"specversion": "1.0", "id": "1", "source": "/a%20b", "type": "mentor.feedback.submitted"}
ATTRIBUTES = ["specversion", "id", "source", "type", "datacontenttype", "time", "traceparent"]


@st.composite
def feedback(draw: st.DrawFn) -> dict[str, Any]:
    """Our fields, of which up to two may be wrong, and up to two unknown ones."""
    document: dict[str, Any] = {**FEEDBACK, "student_id": draw(st.sampled_from(STUDENTS))}
    if draw(st.booleans()):
        return {**document, "message": draw(st.text(min_size=1, max_size=9)), "task_id": ODD}
    wrong = draw(st.sets(st.sampled_from(sorted(FEEDBACK)), max_size=2))
    unknown = draw(st.dictionaries(TEXT, JSON, max_size=2))
    return {**unknown, **document, **{name: draw(TEXT | JSON) for name in wrong}}


@st.composite
def event(draw: st.DrawFn) -> dict[str, Any]:
    """An event in JSON, in which some attributes are wrong, missing or unknown."""
    wrong = draw(st.dictionaries(st.sampled_from(ATTRIBUTES) | TEXT, TEXT | JSON, max_size=1))
    data: object = draw(feedback())
    if draw(st.integers(0, 3)):
        document = {**EVENT, "data": data}
    else:
        raw = json.dumps(data).encode("utf-8", "surrogatepass")
        document = {**EVENT, "data_base64": b64encode(raw).decode()}
    for name in draw(st.lists(st.sampled_from(sorted(document)), max_size=1)):
        del document[name]
    return {**document, **wrong}


@st.composite
def encoded(draw: st.DrawFn, documents: st.SearchStrategy[Any]) -> bytes:
    """JSON in UTF-8, with surrogates as bytes or escaped."""
    text = json.dumps(draw(documents), ensure_ascii=draw(st.booleans()))
    return text.encode("utf-8", "surrogatepass")


FEEDBACK_BODIES = encoded(feedback())
EVENT_BODIES = encoded(event())
BATCH_BODIES = encoded(st.lists(event(), max_size=3))
ANY_BODIES = st.sampled_from(ODD_BODIES) | encoded(JSON) | st.binary(max_size=200)
