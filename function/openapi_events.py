"""The part of the description that tells of CloudEvents, in requests and in answers."""

from function.cloudevent import SOURCE, SUBMITTED, UPDATED

Schema = dict[str, object]

IDENTIFIER: Schema = {"type": "string", "minLength": 1, "pattern": r"^[^\ufffd]+$"}

DESCRIPTION = f"""
Plain JSON, or a CloudEvent 1.0 of type `{SUBMITTED}` whose data is the same: in structured mode, in
binary mode (`application/json` with the headers `ce-specversion`, `ce-id`, `ce-source` and
`ce-type`), or in a batch, which is stored as a whole or not at all. An event is answered in its own
mode, by an event of type `{UPDATED}`; a batch by an array. An event is known by its `source` and
`id`: a repeat is stored once and answered alike, and an Idempotency-Key beside it does not count.
""".strip()

SCHEMAS: dict[str, Schema] = {
    "FeedbackSubmitted": {
        "description": "Other attributes are ignored, but for `traceparent`. "
        "`data_base64` may stand in the place of `data`.",
        "type": "object",
        "properties": {
            "specversion": {"const": "1.0"},
            "id": IDENTIFIER,
            "source": IDENTIFIER,
            "type": {"const": SUBMITTED},
            "datacontenttype": {"enum": ["application/json", None]},
            "data": {"$ref": "#/components/schemas/Feedback"},
        },
        "required": ["specversion", "id", "source", "type", "data"],
    },
    "StrategyUpdated": {
        "type": "object",
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {"type": "string", "format": "uuid", "description": "The row's."},
            "source": {"const": SOURCE},
            "type": {"const": UPDATED},
            "datacontenttype": {"const": "application/json"},
            "time": {"type": "string", "format": "date-time", "description": "The row's."},
            "traceparent": {"type": "string"},
            "data": {"$ref": "#/components/schemas/StrategyUpdate"},
        },
        "required": [
            *("specversion", "id", "source", "type", "datacontenttype", "time", "traceparent"),
            "data",
        ],
        "additionalProperties": False,
    },
}

REQUESTS: Schema = {
    "application/json": {"schema": {"$ref": "#/components/schemas/Feedback"}},
    "application/cloudevents+json": {"schema": {"$ref": "#/components/schemas/FeedbackSubmitted"}},
    "application/cloudevents-batch+json": {
        "schema": {"type": "array", "items": {"$ref": "#/components/schemas/FeedbackSubmitted"}}
    },
}

_UPDATE = {"$ref": "#/components/schemas/StrategyUpdate"}
ANSWERS: Schema = {
    "application/json": {
        "schema": {
            "anyOf": [
                _UPDATE,
                {"description": "Of a batch.", "type": "array", "items": _UPDATE},
            ]
        }
    },
    "application/cloudevents+json": {"schema": {"$ref": "#/components/schemas/StrategyUpdated"}},
}
REPLY_HEADERS: Schema = {
    f"ce-{name}": {"description": "Of an event in binary mode.", "schema": {"type": "string"}}
    for name in ("specversion", "id", "source", "type", "time", "traceparent")
}
