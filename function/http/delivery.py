"""From a request to its submissions: plain JSON here, CloudEvents in cloudevents.py."""

from collections.abc import Mapping, Sequence

from pydantic_core import to_json

from function.domain import StoredEntry
from function.errors import UnsupportedContentCoding
from function.http.document import parse_json
from function.http.ids import new_id, parse_idempotency_key, repeatable_id
from function.http.messages import Response
from function.http.schema import strategy_update
from function.http.submission import Delivery, make_repeatable, read_feedback, replayed
from function.service import Submission


def parse_delivery(headers: Mapping[str, str], body: bytes) -> Delivery:
    """Parse a request; raises RequestError."""
    if "content-encoding" in headers:
        _require_no_coding(headers["content-encoding"])
    if announces_event(headers):
        from function.http import cloudevents  # plain requests do without the SDK

        return cloudevents.parse_event(headers, body)
    feedback, payload = read_feedback(parse_json(body))
    traceparent = headers.get("traceparent", "")
    header = headers.get("idempotency-key")
    if header is None:
        return Delivery((Submission(new_id(), feedback, traceparent),), _respond)
    row_id = repeatable_id(feedback.student_id, parse_idempotency_key(header))
    one = make_repeatable(row_id, feedback, payload, "this Idempotency-Key", (traceparent, "", ""))
    return Delivery((one,), _respond_to_key)


def announces_event(headers: Mapping[str, str]) -> bool:
    """Tell a CloudEvent, even an incomplete one, from a plain request."""
    return (
        "ce-specversion" in headers
        or "ce-id" in headers
        or "ce-type" in headers
        or headers.get("content-type", "").lower().startswith("application/cloudevents")
    )


def _require_no_coding(content_encoding: str) -> None:
    codings = {coding.strip().lower() for coding in content_encoding.split(",")}
    if codings - {"", "identity"}:
        raise UnsupportedContentCoding("the body must not have a Content-Encoding")


def _respond(rows: Sequence[StoredEntry]) -> Response:
    [row] = rows
    return Response(200, to_json(strategy_update(row)))


def _respond_to_key(rows: Sequence[StoredEntry]) -> Response:
    [row] = rows
    return Response(200, to_json(strategy_update(row)), headers=replayed(rows))
