"""What each form of request has in common: its feedback, and how repeats are recognized."""

from collections.abc import Callable, Sequence
from typing import NamedTuple
from uuid import UUID

from function.domain import Feedback, StoredEntry
from function.errors import InvalidRequest
from function.http.document import require_shallow
from function.http.ids import Payload, payload_span_id
from function.http.messages import Response
from function.http.schema import parse_feedback
from function.http.traceparent import continue_event
from function.service import Submission


class Delivery(NamedTuple):
    """The submissions of one request, to be stored together or not at all.

    `respond` makes the answer from their rows, which are in the same order.
    """

    submissions: Sequence[Submission]
    respond: Callable[[Sequence[StoredEntry]], Response]


def read_feedback(document: object, name: str = "the body") -> tuple[Feedback, Payload]:
    """Check a parsed document; raises InvalidRequest. `name` is what an error calls it."""
    require_shallow(document, name)
    if not isinstance(document, dict):
        raise InvalidRequest(f"{name} must be a JSON object")
    return parse_feedback(document), (document["task_id"], document["message"])


def make_repeatable(
    row_id: UUID,
    feedback: Feedback,
    payload: Payload,
    key_name: str,
    traces: tuple[str, str, str],
) -> Submission:
    """Make a submission whose repeats can be told from other payloads.

    Texts that differ may be stored alike where they have U+FFFD. There the row's span id, which
    has no other meaning, is made of the payload. `traces` are the traceparents of the request and
    of the event, and the event's tracestate; those of the event may be empty.
    """
    ambiguous = "\ufffd" in feedback.task_id or "\ufffd" in feedback.message
    span_id = payload_span_id(row_id, payload) if ambiguous else ""
    trace = continue_event(*traces, span_id)
    return Submission(row_id, feedback, trace, True, key_name, span_id)


def replayed(rows: Sequence[StoredEntry]) -> tuple[tuple[str, str], ...]:
    """Return the header for an answer whose rows all existed before."""
    if rows and all(row.repeated for row in rows):
        return (("Idempotency-Replayed", "true"),)
    return ()
