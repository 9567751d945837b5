"""Events are read strictly where it matters which event it is, and kindly where it does not."""

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from function.errors import IdempotencyKeyReused, InvalidRequest, RequestError, UnsupportedMediaType
from function.http import submission
from function.http.delivery import announces_event, parse_delivery
from function.http.document import DEPTH_LIMIT
from function.http.ids import event_row_id
from function.service import Submission
from tests.instance import FEEDBACK

SUBMITTED = "mentor.feedback.submitted"
EVENT = {"specversion": "1.0", "id": "1", "source": "/app", "type": SUBMITTED, "data": FEEDBACK}
HEADERS = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/app", "ce-type": SUBMITTED}
BODY = json.dumps(FEEDBACK).encode()
STRUCTURED = {"content-type": "application/cloudevents+json"}
BATCHED = {"content-type": "application/cloudevents-batch+json"}
STUDENT = UUID(FEEDBACK["student_id"])
PAYLOAD = (FEEDBACK["task_id"], FEEDBACK["message"])
ODD_IDS = ["x%E9", "a%20b", "a b", "100%", "%2525", "café", "%", "%C3%A9%E9", "/caf%C3%A9?a=%"]
# What the SDK of Python 2.x does not encode in a header.
SAFE = "".join(map(chr, range(0x21, 0x7F))).replace('"', "").replace("%", "")
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
HOP = "00-11111111111111111111111111111111-00f067aa0ba902b7-01"


@pytest.fixture(autouse=True, scope="module")
def _sender_trace() -> Iterator[None]:
    """Leave each traceparent as it came, so that submissions can be compared."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(submission, "continue_event", lambda request, event, *_: event or request)
        yield


def binary(headers: Mapping[str, str] | None = None, body: bytes = BODY) -> Submission:
    [one] = parse_delivery({**HEADERS, **(headers or {})}, body).submissions
    return one


def structured(event: object, headers: Mapping[str, str] = STRUCTURED) -> Submission:
    [one] = parse_delivery(headers, json.dumps(event).encode()).submissions
    return one


def changed(**changes: object) -> dict[str, object]:
    return {name: value for name, value in {**EVENT, **changes}.items() if value != "absent"}


def test_each_mode_makes_the_same_of_an_event() -> None:
    batch = parse_delivery(BATCHED, json.dumps([EVENT]).encode())

    one = binary()
    assert one.row_id == event_row_id(one.feedback.student_id, "/app", "1", PAYLOAD)
    assert structured(EVENT) == one
    assert [it._replace(key_name=one.key_name) for it in batch.submissions] == [one]


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "Application/CloudEvents+JSON; charset=UTF-8"},
        {"content-type": "application/cloudevents+json;x=y"},
        {**STRUCTURED, **HEADERS, "ce-id": "another"},  # the content type is looked at first
    ],
)
def test_structured_mode_is_told_by_its_content_type(headers: dict[str, str]) -> None:
    assert structured(EVENT, headers) == structured(EVENT)


@pytest.mark.parametrize(
    "changes",
    [
        {"datacontenttype": "application/json"},
        {"datacontenttype": "text/json; charset=utf-8"},
        {"datacontenttype": "application/vnd.mathtrail.feedback+json"},
        {"datacontenttype": None, "traceparent": None, "subject": None},
        {"time": "yesterday", "dataschema": 7, "subject": ""},
        {"extensions": "x", "data_base64": None, "Upper-Case": [], "ce__id": {}},
        {"data": {**FEEDBACK, "unknown": "HUGE"}},
    ],
)
def test_what_does_not_matter_costs_no_message(changes: dict[str, object]) -> None:
    text = json.dumps(changed(**changes)).replace('"HUGE"', "1" * 5000)  # too long for an int

    assert list(parse_delivery(STRUCTURED, text.encode()).submissions) == [structured(EVENT)]


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": ""},
        {"content-type": "application/json"},
        {"ce-extensions": "x", "ce-data": "x", "ce-": "x", "ce-ce__id": "x", "ce-time": "never"},
    ],
)
def test_odd_headers_cost_no_message(headers: dict[str, str]) -> None:
    assert binary(headers) == binary()


def test_data_may_come_in_base64() -> None:
    event = changed(data="absent", data_base64=b64encode(BODY).decode())

    assert structured(event) == structured(EVENT)


def test_a_broken_text_is_mended_in_each_mode() -> None:
    feedback = {**FEEDBACK, "message": "half \ud83d"}
    body = json.dumps(feedback).encode()
    invalid = BODY.replace(b"This", b"\xff")
    mended = "half \ufffd"

    assert binary(body=body).feedback.message == mended
    assert structured(changed(data=feedback)).feedback.message == mended
    encoded = changed(data="absent", data_base64=b64encode(invalid).decode())
    assert structured(encoded).feedback.message == "\ufffd is too hard"
    raw = json.dumps(EVENT).encode().replace(b"This", b"\xff")
    [one] = parse_delivery(STRUCTURED, raw).submissions
    assert one.feedback.message == "\ufffd is too hard"


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),  # the specification's own example
        ("caf%c3%a9", "café"),
        ("100%", "100%"),
        ("%2525", "%25"),
        ('"quoted \\"value\\""', 'quoted "value"'),
        ('"%22"', '"'),
        ("café".encode().decode("latin-1"), "café"),  # raw UTF-8, as some clients send it
    ],
)
def test_headers_are_percent_decoded_once(header: str, value: str) -> None:
    one = binary({"ce-id": header})

    assert one.row_id == event_row_id(one.feedback.student_id, "/app", value, PAYLOAD)
    assert one.row_id == structured(changed(id=value)).row_id


@pytest.mark.parametrize("event_id", ODD_IDS)
@pytest.mark.parametrize("name", ["id", "source"])
def test_an_event_has_one_id_whether_or_not_its_sender_encodes(name: str, event_id: str) -> None:
    """As of the SDKs, that of Python 2.x does, and those of Go, Java and JavaScript do not."""
    encoded = quote(event_id, safe=SAFE)
    as_utf_8 = event_id.encode().decode("latin-1")

    row_id = structured(changed(**{name: event_id})).row_id
    for header in (encoded, as_utf_8):
        assert binary({f"ce-{name}": header}).row_id == row_id


@pytest.mark.parametrize("name", ["id", "source"])
@pytest.mark.parametrize(
    "values", [("a b", "a%20b"), ("x%E9", "x%e9"), ("a%2Fb", "a/b"), ("100%", "100%25")]
)
def test_another_event_with_a_percent_sign_is_stored(name: str, values: tuple[str, str]) -> None:
    other = json.dumps({**FEEDBACK, "message": "other"}).encode()
    first, second = values

    row_id = binary({f"ce-{name}": first}).row_id
    assert row_id != binary({f"ce-{name}": second}, other).row_id
    assert row_id == binary({f"ce-{name}": first}).row_id


def test_a_header_in_latin_1_is_read_as_browsers_send_it() -> None:
    assert binary({"ce-id": "caf\xe9"}).row_id == structured(changed(id="café")).row_id


@settings(max_examples=300)
@given(st.text(st.sampled_from('%25aE9 "é/'), min_size=1, max_size=12))
def test_percent_encoding_never_changes_the_event(event_id: str) -> None:
    names = [event_id, quote(event_id, safe=SAFE), quote(quote(event_id, safe=SAFE), safe=SAFE)]

    assert len({event_row_id(STUDENT, "/app", name, PAYLOAD) for name in names}) == 1
    assert len({event_row_id(STUDENT, name, "1", PAYLOAD) for name in names}) == 1


def test_the_events_trace_goes_before_that_of_the_request() -> None:
    assert binary({"ce-traceparent": TRACE, "traceparent": HOP}).traceparent == TRACE
    assert binary({"traceparent": HOP}).traceparent == HOP
    hop = {**STRUCTURED, "traceparent": HOP}
    assert structured(changed(traceparent=TRACE), hop).traceparent == TRACE
    for other in ("absent", None, "", 7, [TRACE]):
        assert structured(changed(traceparent=other), hop).traceparent == HOP


WRONG_ATTRIBUTES = [
    ({"id": "absent"}, "id is missing"),
    ({"id": None, "source": None}, "id is missing; source is missing"),
    ({"specversion": "absent"}, "specversion is missing"),
    ({"type": "absent"}, "type is missing"),
    ({"id": ""}, "id must be a string of at least 1 character, in valid Unicode"),
    ({"id": 1}, "id must be a string of at least 1 character, in valid Unicode"),
    ({"id": ["1"]}, "id must be a string of at least 1 character, in valid Unicode"),
    ({"id": "\ud800"}, "id must be a string of at least 1 character, in valid Unicode"),
    ({"source": "\ufffd"}, "source must be a string of at least 1 character, in valid Unicode"),
    ({"specversion": "0.3"}, 'specversion must be "1.0"'),
    ({"specversion": 1.0}, 'specversion must be "1.0"'),
    ({"type": "boson.fn"}, f"type must be {SUBMITTED}"),
    ({"type": SUBMITTED.upper()}, f"type must be {SUBMITTED}"),
    ({"type": 1, "id": "absent"}, f"id is missing; type must be {SUBMITTED}"),
]


@pytest.mark.parametrize(("changes", "problem"), WRONG_ATTRIBUTES)
def test_all_wrong_attributes_are_named(changes: dict[str, object], problem: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        structured(changed(**changes))
    assert str(caught.value) == problem


@pytest.mark.parametrize("name", ["specversion", "id", "source", "type"])
def test_an_incomplete_event_in_headers_is_not_read_from_the_body(name: str) -> None:
    headers = {key: value for key, value in HEADERS.items() if key != f"ce-{name}"}
    with pytest.raises(InvalidRequest) as caught:
        parse_delivery(headers, json.dumps(EVENT).encode())
    assert str(caught.value) == f"{name} is missing"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"data": "absent"}, "the event's data must be a JSON object"),
        ({"data": None}, "the event's data must be a JSON object"),
        ({"data": json.dumps(FEEDBACK)}, "the event's data must be a JSON object"),
        ({"data": [FEEDBACK]}, "the event's data must be a JSON object"),
        ({"data_base64": ""}, "there must be data or data_base64, not both"),
        ({"data": None, "data_base64": "e30"}, "data_base64 must be a string in Base64"),
        ({"data": None, "data_base64": "é"}, "data_base64 must be a string in Base64"),
        ({"data": None, "data_base64": {}}, "data_base64 must be a string in Base64"),
        ({"data": None, "data_base64": ""}, "the event's data is empty"),
        (
            {"data": None, "data_base64": b64encode(b"[\nNaN]").decode()},
            "the event's data is not valid JSON at line 2, column 1",
        ),
        (
            {"data": None, "data_base64": b64encode(b"[" * 20_000).decode()},
            "the event's data is nested too deeply",
        ),
        ({"data": {"message": "Hello World"}}, "student_id is missing; task_id is missing"),
    ],
)
def test_wrong_data_is_refused(changes: dict[str, object], problem: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        structured(changed(**changes))
    assert str(caught.value) == problem


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "is empty"),
        (b"nonsense", "is not valid JSON at line 1, column 1"),
        (b"[\nNaN]", "is not valid JSON at line 2, column 1"),
        (b"{} {}", "is not valid JSON at line 1, column 4"),
        (b"[" * 60_000, "is nested too deeply"),
        (BODY.decode().encode("utf-16"), "is not valid JSON at line 1, column 1"),
    ],
    ids=lambda value: ascii(value)[:30],
)
@pytest.mark.parametrize(
    ("headers", "name"),
    [(HEADERS, "the event's data"), (STRUCTURED, "the body"), (BATCHED, "the body")],
)
def test_what_is_not_json_is_refused(
    headers: dict[str, str], name: str, body: bytes, problem: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_delivery(headers, body)
    assert str(caught.value) == f"{name} {problem}"


@pytest.mark.parametrize("depth", [*range(50, 1100, 7), 5_000, 50_000])
def test_no_depth_of_unknown_data_is_an_internal_error(depth: int) -> None:
    deep = "[" * depth + "]" * depth
    for headers, template in ((STRUCTURED, "%s"), (BATCHED, "[%s]")):
        text = template % json.dumps(changed(data={**FEEDBACK, "x": "DEEP"}))
        with suppress(InvalidRequest):
            parse_delivery(headers, text.replace('"DEEP"', deep).encode())


@pytest.mark.parametrize(
    ("depth", "accepted"), [(DEPTH_LIMIT, True), (DEPTH_LIMIT + 1, False), (5_000, False)]
)
def test_feedback_may_be_equally_deep_in_each_form(depth: int, accepted: bool) -> None:
    deep = BODY[:-1] + b', "x": ' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"
    event = json.dumps(changed(data="DATA")).encode().replace(b'"DATA"', deep)
    encoded = json.dumps(changed(data="absent", data_base64=b64encode(deep).decode())).encode()
    forms: list[tuple[Mapping[str, str], bytes]] = [
        ({}, deep),
        (HEADERS, deep),
        (STRUCTURED, event),
        (STRUCTURED, encoded),
        (BATCHED, b"[%b]" % event),
    ]
    for headers, body in forms:
        if accepted:
            assert parse_delivery(headers, body).submissions
        else:
            with pytest.raises(InvalidRequest, match="nested too deeply"):
                parse_delivery(headers, body)


def test_texts_that_are_stored_alike_are_different_payloads_in_each_form() -> None:
    for message in (b"\xfe", b"\\ud800", "\ufffd".encode(), b"\\uFFFD"):
        body = BODY.replace(b"This", message)
        event = json.dumps(EVENT).encode().replace(b"This", message)
        [one] = parse_delivery(STRUCTURED, event).submissions
        assert one == binary(body=body)
        first = binary(body=BODY.replace(b"This", b"\xff"))
        assert one.row_id == first.row_id
        assert one.feedback == first.feedback
        assert one.span_id != first.span_id


@pytest.mark.parametrize("document", [None, 1, "event", [EVENT]])
def test_an_event_is_an_object(document: object) -> None:
    with pytest.raises(InvalidRequest, match="an event must be a JSON object"):
        structured(document)


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "application/cloudevents"},
        {"content-type": "application/cloudevents+xml"},
        {"content-type": "application/cloudevents-batch+avro"},
        {**HEADERS, "content-type": "text/plain"},
        {**HEADERS, "content-type": "application/x-www-form-urlencoded"},
    ],
)
def test_only_json_is_understood(headers: dict[str, str]) -> None:
    with pytest.raises(UnsupportedMediaType):
        parse_delivery(headers, BODY)
    with pytest.raises(UnsupportedMediaType):
        structured(changed(datacontenttype="text/xml"))


def batch(*events: object) -> list[Submission]:
    return list(parse_delivery(BATCHED, json.dumps(events).encode()).submissions)


def test_a_batch_keeps_its_order_and_its_repeats() -> None:
    other = changed(id="2", data={**FEEDBACK, "message": "other"})

    assert batch() == []
    messages = [it.feedback.message for it in batch(other, EVENT, other)]
    assert messages == ["other", FEEDBACK["message"], "other"]


@pytest.mark.parametrize(
    ("events", "problem"),
    [
        ([EVENT, 1], "event 2: an event must be a JSON object"),
        ([changed(type="x"), EVENT, {}], f"event 1: type must be {SUBMITTED}; event 3: "),
        ([EVENT, changed(datacontenttype="a/b")], "event 2: the event's data must be JSON, "),
        ([EVENT, changed(data={**FEEDBACK, "message": ""})], "event 2: message must be "),
        ([None] * 12, "event 10: an event must be a JSON object; and 2 more"),
    ],
)
def test_a_batch_names_its_invalid_events(events: list[object], problem: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        batch(*events)
    assert problem in str(caught.value)


def test_a_batch_must_not_contradict_itself() -> None:
    with pytest.raises(IdempotencyKeyReused, match="event 3's source and id came before"):
        batch(EVENT, EVENT, changed(data={**FEEDBACK, "task_id": "x"}))


def test_a_batch_contradicts_itself_even_where_both_texts_are_stored_alike() -> None:
    events = [changed(data={**FEEDBACK, "message": text}) for text in ("\ud800", "\udfff")]

    with pytest.raises(IdempotencyKeyReused, match="event 2's source and id came before"):
        batch(*events)


def test_a_batch_is_an_array() -> None:
    with pytest.raises(InvalidRequest, match="a batch must be a JSON array"):
        parse_delivery(BATCHED, json.dumps(EVENT).encode())


@pytest.mark.parametrize(
    ("headers", "announced"),
    [
        ({}, False),
        ({"content-type": "application/json"}, False),
        ({"content-type": "application/cloud"}, False),
        ({"ce-id": ""}, True),
        ({"ce-type": "x"}, True),
        ({"ce-specversion": "1.0"}, True),
        ({"content-type": "APPLICATION/CLOUDEVENTS"}, True),
        ({"content-type": "application/cloudevents-batch+json; charset=utf-8"}, True),
    ],
)
def test_an_event_is_told_from_a_plain_request(headers: dict[str, str], announced: bool) -> None:
    assert announces_event(headers) is announced


TEXT = st.text(st.characters(codec=None, categories=None), max_size=20)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(
    [*EVENT, "data_base64", "datacontenttype", "traceparent", "extensions", "time", "ce__id"]
)
EVENTS = st.builds(lambda changes: {**EVENT, **changes}, st.dictionaries(NAMES, JSON, max_size=3))
DOCUMENTS = JSON | EVENTS | st.lists(EVENTS | JSON, max_size=3)
BODIES = st.binary(max_size=60) | DOCUMENTS.map(lambda document: json.dumps(document).encode())
ODD_HEADERS = st.dictionaries(
    st.sampled_from([*HEADERS, "ce-extensions", "ce-data", "ce-", "content-type", "traceparent"]),
    st.text(st.characters(max_codepoint=255), max_size=20),
    max_size=4,
)


@settings(max_examples=500)
@given(st.sampled_from([HEADERS, STRUCTURED, BATCHED]), ODD_HEADERS, BODIES)
def test_whatever_comes_is_read_or_refused(
    headers: dict[str, str], odd: dict[str, str], body: bytes
) -> None:
    with suppress(RequestError):
        delivery = parse_delivery({**odd, **headers}, body)
        assert all(it.feedback.message for it in delivery.submissions)
