"""Feedback that comes as CloudEvents, and the CloudEvents that answer it.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md

The official SDK reads and writes each event. It knows no batches, does not decode headers, makes
up what is missing, and trips over odd attributes, in ways of its own. So what it gets is checked
here before, and is no more than what an event of ours is made of.
"""

import json
from collections.abc import Sequence
from functools import partial
from uuid import UUID

from pydantic_core import to_json, to_jsonable_python

from function.errors import (
    IdempotencyKeyReused,
    InvalidRequest,
    RequestError,
    UnsupportedMediaType,
)
from function.feedback import Stored
from function.http.event_attributes import DATA, REQUIRED, check, read_headers
from function.http.ids import event_row_id
from function.http.messages import Response
from function.http.submission import (
    Delivery,
    Headers,
    Submission,
    make_submission,
    parse_json,
    read_feedback,
    replayed,
    strategy_update,
)

try:
    from cloudevents.conversion import to_binary, to_structured
    from cloudevents.http import CloudEvent, from_http
except ImportError:  # 2.x has the same interface here
    from cloudevents.v1.conversion import to_binary, to_structured  # type: ignore[import-not-found, no-redef]  # fmt: skip
    from cloudevents.v1.http import CloudEvent, from_http  # type: ignore[import-not-found, no-redef]  # fmt: skip

UPDATED = "mentor.strategy.updated"
SOURCE = "/mathtrail/mentor"
PROBLEM_LIMIT = 10  # events of a batch that an error names


def parse_delivery(headers: Headers, body: bytes) -> Delivery:
    """Parse an event in binary or structured mode, or a batch of them.

    Raises InvalidRequest, UnsupportedMediaType for other formats than JSON, and
    IdempotencyKeyReused where a batch contradicts itself.
    """
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    hop = headers.get("traceparent", "")
    if media_type == "application/cloudevents-batch+json":
        return Delivery(_read_batch(parse_json(body), hop), _respond_to_batch)
    if media_type == "application/cloudevents+json":
        return Delivery([_read_document(parse_json(body), hop)], partial(_reply, structured=True))
    if media_type.startswith("application/cloudevents"):
        raise UnsupportedMediaType("of the formats of CloudEvents, only JSON is understood")
    return Delivery([_read_binary(headers, body, hop)], partial(_reply, structured=False))


def _read_binary(headers: Headers, body: bytes, hop: str) -> Submission:
    attributes = read_headers(headers)
    check(attributes)
    needed = {f"ce-{name}": attributes[name] for name in REQUIRED}
    return _submission(needed, body, attributes.get("traceparent") or hop)


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
    trace = attributes.get("traceparent")
    return _submission({}, needed, trace if isinstance(trace, str) and trace else hop)


def _read_batch(documents: object, hop: str) -> list[Submission]:
    """Read a batch; one event that can't be read fails it all, for it would fail each time."""
    if not isinstance(documents, list):
        raise InvalidRequest("a batch must be a JSON array of events")
    submissions: list[Submission] = []
    problems: list[str] = []
    for number, document in enumerate(documents, start=1):
        try:
            one = _read_document(document, hop)
            submissions.append(one._replace(key=f"event {number}'s source and id"))
        except RequestError as exc:
            problems.append(f"event {number}: {exc}")
    if problems:
        more = [f"and {len(problems) - PROBLEM_LIMIT} more"] * (len(problems) > PROBLEM_LIMIT)
        raise InvalidRequest("; ".join(problems[:PROBLEM_LIMIT] + more))
    _require_agreement(submissions)
    return submissions


def _require_agreement(submissions: Sequence[Submission]) -> None:
    """Raise IdempotencyKeyReused where two events of one source and id say different things."""
    first: dict[UUID, Submission] = {}
    for one in submissions:
        same = first.setdefault(one.row_id, one)
        if (same.feedback, same.span_id) != (one.feedback, one.span_id):
            raise IdempotencyKeyReused(f"{one.key} came before in the batch, with another payload")


def _submission(
    headers: dict[str, str], body: bytes | dict[str, object], traceparent: str
) -> Submission:
    """Let the SDK read what was checked; an event in JSON comes as a document, without headers."""
    try:
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        event = from_http(headers, text, _read_data)
    except Exception as exc:  # noqa: BLE001 - the SDK has no error that covers all
        raise _data_error(exc.__context__ or exc) from None
    feedback, payload = read_feedback(event.get_data(), DATA)
    row_id = event_row_id(feedback.student_id, event["source"], event["id"], payload)
    return make_submission(row_id, feedback, payload, "this event's source and id", traceparent)


def _read_data(content: bytes | str) -> object:
    """Read data for the SDK.

    What it hands over as text is from a document that was parsed here, or "" for an empty body.
    """
    if isinstance(content, str) and content:
        return json.loads(content)
    return parse_json(content or b"", DATA)


def _data_error(cause: BaseException) -> InvalidRequest:
    """Say what is wrong with the data, which is all that can still be wrong with the event."""
    if isinstance(cause, InvalidRequest):  # the SDK raised an error of its own in its place
        return cause
    if isinstance(cause, RecursionError):
        return InvalidRequest(f"{DATA} is nested too deeply")
    return InvalidRequest("data_base64 must be a string in Base64")


def _reply(submissions: Sequence[Submission], stored: Stored, *, structured: bool) -> Response:
    """Answer an event by an event, the same each time, which a Knative Trigger can pass on."""
    [submission] = submissions
    row = stored[submission.row_id]
    attributes = {
        "type": UPDATED,
        "source": SOURCE,
        "id": str(submission.row_id),
        "time": row.created_at,
        "datacontenttype": "application/json",
        "traceparent": row.traceparent,
    }
    event = CloudEvent(attributes, strategy_update(submission, row))
    headers, body = (
        to_structured(event, to_jsonable_python) if structured else to_binary(event, to_json)
    )
    content_type = headers.pop("content-type")
    return Response(200, body, content_type, (*headers.items(), *replayed(stored)))


def _respond_to_batch(submissions: Sequence[Submission], stored: Stored) -> Response:
    """Answer with one array, in the order of the events."""
    updates = [strategy_update(one, stored[one.row_id]) for one in submissions]
    return Response(200, to_json(updates), headers=replayed(stored))
