"""What a request brings: one submission or a batch, as plain JSON or in CloudEvents."""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from pydantic_core import to_json

from function.errors import IdempotencyKeyReused, InvalidRequest, UnsupportedContentCoding
from function.feedback import Feedback, Stored, StoredEntry, StrategyUpdate, parse_feedback
from function.http.ids import (
    Payload,
    new_id,
    parse_idempotency_key,
    payload_span_id,
    repeatable_id,
)
from function.http.messages import Response

Headers = Mapping[str, str]

DEPTH_LIMIT = 512  # levels of arrays and objects; half of what Python's stack allows


class Submission(NamedTuple):
    """Feedback on its way to its row.

    `key` names what the row's id was made of, for the text of an error; where it is empty, the id
    is new, and the row can't be there yet. `traceparent` is the sender's. `span_id` is empty for a
    random one.
    """

    row_id: UUID
    feedback: Feedback
    key: str
    traceparent: str
    span_id: str


class Delivery(NamedTuple):
    """The submissions of one request, to be stored together or not at all.

    `respond` makes the answer, of the submissions and of their rows.
    """

    submissions: Sequence[Submission]
    respond: Callable[[Sequence[Submission], Stored], Response]


def parse_delivery(headers: Headers, body: bytes) -> Delivery:
    """Parse what a request brings; raises RequestError."""
    if "content-encoding" in headers:
        _require_no_coding(headers["content-encoding"])
    if announces_event(headers):
        from function.http import cloudevents  # only who sends events pays for the SDK's import

        return cloudevents.parse_delivery(headers, body)
    feedback, payload = read_feedback(parse_json(body))
    traceparent = headers.get("traceparent", "")
    header = headers.get("idempotency-key")
    if header is None:
        return Delivery((Submission(new_id(), feedback, "", traceparent, ""),), _respond)
    row_id = repeatable_id(feedback.student_id, parse_idempotency_key(header))
    submission = make_submission(row_id, feedback, payload, "this Idempotency-Key", traceparent)
    return Delivery((submission,), _respond)


def _require_no_coding(content_encoding: str) -> None:
    codings = {coding.strip().lower() for coding in content_encoding.split(",")}
    if codings - {"", "identity"}:
        raise UnsupportedContentCoding("the body must not have a Content-Encoding")


def make_submission(
    row_id: UUID, feedback: Feedback, payload: Payload, key: str, traceparent: str
) -> Submission:
    """Make a submission whose repeats can be told from other payloads.

    Texts that differ may be stored alike where they have U+FFFD. So the row's span id, which has
    no other meaning, is made of the payload there.
    """
    ambiguous = "\ufffd" in feedback.task_id or "\ufffd" in feedback.message
    span_id = payload_span_id(row_id, payload) if ambiguous else ""
    return Submission(row_id, feedback, key, traceparent, span_id)


def announces_event(headers: Headers) -> bool:
    """Tell a CloudEvent, even an incomplete one, from a plain request."""
    return (
        "ce-specversion" in headers
        or "ce-id" in headers
        or "ce-type" in headers
        or headers.get("content-type", "")[:24].lower().startswith("application/cloudevents")
    )


def require_same(submissions: Sequence[Submission], stored: Stored) -> None:
    """Raise IdempotencyKeyReused where a row that is there says something else."""
    for submission in submissions:
        row, feedback = stored.get(submission.row_id), submission.feedback
        if row and not (
            (row.task_id, row.message) == (feedback.task_id, feedback.message)
            and submission.span_id in row.traceparent  # an empty one is in each
        ):
            raise IdempotencyKeyReused(f"{submission.key} was used with another payload")


def strategy_update(submission: Submission, row: StoredEntry) -> StrategyUpdate:
    """Say what the strategy is now."""
    return StrategyUpdate(
        student_id=str(submission.feedback.student_id),
        task_id=row.task_id,
        difficulty_adjustment=row.strategy.difficulty_adjustment,
        topic_weights=row.strategy.topic_weights,
        sentiment=row.strategy.sentiment,
        strategy_snapshot=row.strategy.snapshot,
        timestamp=row.created_at,
    )


def replayed(stored: Stored) -> tuple[tuple[str, str], ...]:
    """The header of an answer to what was all there before."""
    repeated = stored and all(row.repeated for row in stored.values())
    return (("Idempotency-Replayed", "true"),) if repeated else ()


def _respond(submissions: Sequence[Submission], stored: Stored) -> Response:
    [submission] = submissions
    update = strategy_update(submission, stored[submission.row_id])
    return Response(200, to_json(update), headers=replayed(stored) if submission.key else ())


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


# No number is looked at, so none is too long to be an int.
_json = json.JSONDecoder(parse_constant=_refuse_constant, parse_int=float)


def parse_json(body: bytes, name: str = "the body") -> object:
    """Parse UTF-8 JSON, with or without a BOM; a byte that is not UTF-8 becomes a lone surrogate.

    Raises InvalidRequest with the place of the error, and no word of the body. Lines and columns
    count from 1, and columns count characters, not bytes. `name` is what the error calls `body`.
    """
    text = body.decode("utf-8-sig", errors="surrogateescape")
    try:
        return _json.decode(text)
    except RecursionError:
        raise InvalidRequest(f"{name} is nested too deeply") from None
    except ValueError as exc:
        if not text.strip():
            raise InvalidRequest(f"{name} is empty") from None
        if not isinstance(exc, json.JSONDecodeError):
            exc = json.JSONDecodeError("", text, _find_constant(text))
        place = f"line {exc.lineno}, column {exc.colno}"
        raise InvalidRequest(f"{name} is not valid JSON at {place}") from None


def read_feedback(document: object, name: str = "the body") -> tuple[Feedback, Payload]:
    """Check a parsed document; raises InvalidRequest. `name` is what an error calls it."""
    if _is_too_deep(document):
        raise InvalidRequest(f"{name} is nested too deeply")
    if not isinstance(document, dict):
        raise InvalidRequest(f"{name} must be a JSON object")
    return parse_feedback(document), (document["task_id"], document["message"])


def _is_too_deep(document: object) -> bool:
    """Whether it has more levels than DEPTH_LIMIT, wherever it came in.

    How deep Python can parse depends on what else is on its stack, and on what is around it.
    """
    level = [document]
    for _ in range(DEPTH_LIMIT):
        level = [
            part for whole in level for part in _parts(whole) if isinstance(part, (dict, list))
        ]
        if not level:
            return False
    return True


def _parts(whole: object) -> Iterable[object]:
    if isinstance(whole, dict):
        return whole.values()
    return whole if isinstance(whole, list) else ()


def _find_constant(text: str) -> int:
    """Where the first NaN, Infinity or -Infinity is that is not in a string."""
    tokens = re.finditer(r'"(?:[^"\\]|\\.)*"|-?Infinity|NaN', text)
    return next(token.start() for token in tokens if not token[0].startswith('"'))
