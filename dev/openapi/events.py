"""The part of the description that tells of CloudEvents, in requests and in answers."""

from dev.openapi.schemas import OPEN, Schema, constant, reference
from function.http.cloudevents import SOURCE, UPDATED
from function.http.event_attributes import SUBMITTED

# The character itself: ECMAScript and RE2 have no escape for it in common.
IDENTIFIER: Schema = {"type": "string", "minLength": 1, "pattern": "^[^\ufffd]+$"}


def _any_case(word: str) -> str:
    """Match in any case without a flag, which ECMAScript does not have."""
    return "".join(f"[{letter.upper()}{letter}]" for letter in word)


# A media type of JSON, with or without parameters.
JSON_TYPE = (
    rf"^[ \t\r\n]*(({_any_case('application')}|{_any_case('text')})/|[^/;]+/[^/;]+[+])"
    rf"{_any_case('json')}[ \t\r\n]*(;|$)"
)

DESCRIPTION = f"""
Plain JSON, or a CloudEvent 1.0 of type `{SUBMITTED}` whose data is the same: in structured mode, in
binary mode (`application/json` with the headers `ce-specversion`, `ce-id`, `ce-source` and
`ce-type`), or in a batch, which is stored as a whole or not at all. An event is answered in its own
mode, by an event of type `{UPDATED}`; a batch by an array. An event is known by its `source` and
`id`: a repeat is stored once and answered alike, and an Idempotency-Key beside it does not count.
SDKs do not agree on percent-encoding in headers. So where `source` or `id` has a `%`, a space, a
`"` or a character beyond ASCII, an event is known by its data, too.
""".strip()

SCHEMAS: dict[str, Schema] = {
    "FeedbackSubmitted": {
        "description": "Other attributes are ignored, but for `traceparent`. "
        "`data_base64` may stand in the place of `data`.",
        "type": "object",
        "properties": {
            "specversion": constant("1.0"),
            "id": IDENTIFIER,
            "source": IDENTIFIER,
            "type": constant(SUBMITTED),
            "datacontenttype": {"type": ["string", "null"], "pattern": JSON_TYPE},
            "data": reference("Feedback"),
        },
        "required": ["specversion", "id", "source", "type", "data"],
    },
    "StrategyUpdated": {
        "type": "object",
        "properties": {
            "specversion": constant("1.0"),
            "id": {"type": "string", "format": "uuid", "description": "The row's id."},
            "source": constant(SOURCE),
            "type": constant(UPDATED),
            "datacontenttype": constant("application/json"),
            "time": {
                "type": "string",
                "format": "date-time",
                "description": "When the row was made.",
            },
            "traceparent": {"type": "string"},
            "data": reference("StrategyUpdate"),
        },
        "required": [
            *("specversion", "id", "source", "type", "datacontenttype", "time", "traceparent"),
            "data",
        ],
        **OPEN,
    },
}

REQUESTS: Schema = {
    "application/json": {"schema": reference("Feedback")},
    "application/cloudevents+json": {"schema": reference("FeedbackSubmitted")},
    "application/cloudevents-batch+json": {
        "schema": {"type": "array", "items": reference("FeedbackSubmitted")}
    },
}

_UPDATE = reference("StrategyUpdate")
ANSWERS: Schema = {
    "application/json": {
        "schema": {
            "anyOf": [
                _UPDATE,
                {
                    "description": "The answers to a batch.",
                    "type": "array",
                    "items": _UPDATE,
                },
            ]
        }
    },
    "application/cloudevents+json": {"schema": reference("StrategyUpdated")},
}
REPLY_HEADERS: Schema = {
    f"ce-{name}": {"description": "Of an event in binary mode.", "schema": {"type": "string"}}
    for name in ("specversion", "id", "source", "type", "time", "traceparent")
}
