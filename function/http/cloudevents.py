"""Feedback that comes as CloudEvents, and the CloudEvents that answer it.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md

The official SDK reads and writes each event. It has no batches, does not decode headers, fills in
missing attributes, and fails on unexpected ones with errors of its own. So each event is checked
here first, and the SDK gets only the attributes that the function uses.
"""

import json
from collections.abc import Mapping, Sequence
from uuid import UUID

from pydantic_core import to_json, to_jsonable_python

from function.domain import StoredEntry
from function.errors import (
    IdempotencyKeyReused,
    InvalidRequest,
    RequestError,
    UnsupportedMediaType,
)
from function.http.document import parse_json
from function.http.event_attributes import DATA, REQUIRED, check, read_headers
from function.http.ids import event_row_id
from function.http.messages import Response
from function.http.schema import strategy_update
from function.http.submission import Delivery, make_repeatable, read_feedback, replayed
from function.service import Submission

try:
    from cloudevents.conversion import to_binary, to_structured
    from cloudevents.http import CloudEvent, from_http
except ImportError:  # 2.x has the same interface here
    from cloudevents.v1.conversion import to_binary, to_structured  # type: ignore[import-not-found, no-redef]  # fmt: skip
    from cloudevents.v1.http import CloudEvent, from_http  # type: ignore[import-not-found, no-redef]  # fmt: skip

UPDATED = "mentor.strategy.updated"
SOURCE = "/mathtrail/mentor"
PROBLEM_LIMIT = 10  # events of a batch that an error names


def parse_event(headers: Mapping[str, str], body: bytes) -> Delivery:
    """Parse an event in binary or structured mode, or a batch of them.

    Raises InvalidRequest, UnsupportedMediaType for other formats than JSON, and
    IdempotencyKeyReused where a batch contradicts itself.
    """
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    hop = headers.get("traceparent", "")
    if media_type == "application/cloudevents-batch+json":
        return Delivery(_read_batch(parse_json(body), hop), _respond_to_batch)
    if media_type == "application/cloudevents+json":
        return Delivery([_read_document(parse_json(body), hop)], _respond_structured)
    if media_type.startswith("application/cloudevents"):
        raise UnsupportedMediaType("only the JSON format of CloudEvents is supported")
    return Delivery([_read_binary(headers, body, hop)], _respond_binary)


def _read_binary(headers: Mapping[str, str], body: bytes, hop: str) -> Submission:
    attributes = read_headers(headers)
    check(attributes)
    needed = {f"ce-{name}": attributes[name] for name in REQUIRED}
    return _submission(needed, body, (hop, *_trace(attributes)))


def _read_document(document: object, hop: str) -> Submission:
    """Read an event in JSON: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md"""
    if not isinstance(document, dict):
        raise InvalidRequest("an event must be a JSON object")
    attributes = {name: value for name, value in document.items() if value is not None}
    check(attributes)
    if "data" in attributes and "data_base64" in attributes:
        raise InvalidRequest("there must be data or data_base64, not both")
    needed = {
        name: attributes[name] for name in (*REQUIRED, "data", "data_base64") if name in attributes
    }
    return _submission({}, needed, (hop, *_trace(attributes)))


def _trace(attributes: Mapping[str, object]) -> tuple[str, str]:
    """https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/extensions/distributed-tracing.md"""
    parent, state = attributes.get("traceparent"), attributes.get("tracestate")
    return parent if isinstance(parent, str) else "", state if isinstance(state, str) else ""


def _read_batch(documents: object, hop: str) -> list[Submission]:
    """Read a batch. An invalid event fails the batch, because it would fail each retry, too."""
    if not isinstance(documents, list):
        raise InvalidRequest("a batch must be a JSON array of events")
    submissions: list[Submission] = []
    problems: list[str] = []
    for number, document in enumerate(documents, start=1):
        try:
            one = _read_document(document, hop)
            submissions.append(one._replace(key_name=f"event {number}'s source and id"))
        except RequestError as exc:
            problems.append(f"event {number}: {exc}")
    if len(problems) > PROBLEM_LIMIT:
        problems[PROBLEM_LIMIT:] = [f"and {len(problems) - PROBLEM_LIMIT} more"]
    if problems:
        raise InvalidRequest("; ".join(problems))
    _require_agreement(submissions)
    return submissions


def _require_agreement(submissions: Sequence[Submission]) -> None:
    """Raise IdempotencyKeyReused where events with one source and id have other payloads."""
    first: dict[UUID, Submission] = {}
    for one in submissions:
        same = first.setdefault(one.row_id, one)
        if (same.feedback, same.span_id) != (one.feedback, one.span_id):
            text = f"{one.key_name} came before in the batch, with another payload"
            raise IdempotencyKeyReused(text)


def _submission(
    headers: dict[str, str], body: bytes | dict[str, object], traces: tuple[str, str, str]
) -> Submission:
    """Let the SDK read an event that was checked; in JSON it is a document without headers."""
    try:
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        event = from_http(headers, text, _read_data)
    except Exception as exc:  # noqa: BLE001 - the SDK has no error that covers all
        raise _data_error(exc.__context__ or exc) from None
    feedback, payload = read_feedback(event.get_data(), DATA)
    row_id = event_row_id(feedback.student_id, event["source"], event["id"], payload)
    return make_repeatable(row_id, feedback, payload, "this event's source and id", traces)


def _read_data(content: bytes | str) -> object:
    """Read data for the SDK.

    It passes text only from a document that was parsed here, or "" for an empty body.
    """
    if isinstance(content, str) and content:
        return json.loads(content)
    return parse_json(content or b"", DATA)


def _data_error(cause: BaseException) -> InvalidRequest:
    """Describe what is wrong with the data; all else was checked before."""
    if isinstance(cause, InvalidRequest):  # the SDK replaced it by an error of its own
        return cause
    if isinstance(cause, RecursionError):
        return InvalidRequest(f"{DATA} is nested too deeply")
    return InvalidRequest("data_base64 must be a string in Base64")


def _respond_binary(rows: Sequence[StoredEntry]) -> Response:
    return _reply(*to_binary(_make_event(rows), to_json), rows)


def _respond_structured(rows: Sequence[StoredEntry]) -> Response:
    return _reply(*to_structured(_make_event(rows), to_jsonable_python), rows)


def _make_event(rows: Sequence[StoredEntry]) -> CloudEvent:
    """Make the event that answers an event; it is always the same for a row."""
    [row] = rows
    attributes = {
        "type": UPDATED,
        "source": SOURCE,
        "id": str(row.entry.id),
        "time": row.created_at,
        "datacontenttype": "application/json",
        "traceparent": row.entry.traceparent,
    }
    return CloudEvent(attributes, strategy_update(row))


def _reply(headers: dict[str, str], body: bytes, rows: Sequence[StoredEntry]) -> Response:
    """Answer with an event, which a Knative Trigger can pass on."""
    content_type = headers.pop("content-type")
    return Response(200, body, content_type, (*headers.items(), *replayed(rows)))


def _respond_to_batch(rows: Sequence[StoredEntry]) -> Response:
    """Answer with one array, in the order of the events."""
    return Response(200, to_json([strategy_update(row) for row in rows]), headers=replayed(rows))
