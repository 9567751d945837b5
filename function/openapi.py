"""The description of the API, OpenAPI 3.1, made from the models: imported when it is asked for.

https://spec.openapis.org/oas/v3.1.1.html
"""

import json
from functools import cache
from http import HTTPStatus

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from function import openapi_events as events
from function import openapi_health as health
from function.feedback import FEEDBACK_SCHEMA, StrategyUpdate

Schema = dict[str, object]

INFO = {
    "title": "Mentor function",
    "version": "1",
    "description": "Takes what a student says of a task; answers with a strategy.",
    "contact": {"name": "MathTrail"},
    "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
}
TAGS = [
    {"name": "feedback", "description": "What students say."},
    {"name": "health", "description": "Probes for platforms."},
]

REQUEST_ID: Schema = {
    "description": "The client's own X-Request-Id, or a new one.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 128},
}
ERROR_SCHEMAS: dict[str, Schema] = {
    "Error": {
        "type": "object",
        "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
        "required": ["code", "message"],
        "additionalProperties": False,
    },
    "Problem": {
        "description": "RFC 9457, for `Accept: application/problem+json`.",
        "type": "object",
        "properties": {
            "type": {"type": "string", "format": "uri-reference"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "code": {"type": "string"},
        },
        "required": ["type", "title", "status", "detail", "code"],
        "additionalProperties": False,
    },
}
PARAMETERS = [
    {
        "name": "Idempotency-Key",
        "in": "header",
        "description": (
            "A repeat of a request with the same key is stored once and answered alike; "
            "with or without the quotes of the IETF draft."
        ),
        "schema": {
            "type": "string",
            "minLength": 1,
            "maxLength": 255,
            # Without a lookahead, which RE2 does not have: `""` is an empty key, and refused.
            "pattern": '^([!#-~]([ -~]*[!-~])?|"([ -~]*[!#-~]|[ -~]+")?)$',
        },
    },
    {
        "name": "X-Request-Id",
        "in": "header",
        "description": "Any other value than 1 to 128 printable ASCII characters is replaced.",
        "schema": {"type": "string"},
    },
    {
        "name": "traceparent",
        "in": "header",
        "description": "The trace to continue: https://www.w3.org/TR/trace-context/",
        "schema": {"type": "string"},
    },
]


@cache
def document() -> bytes:
    """Return the description as JSON."""
    return json.dumps(
        {
            "openapi": "3.1.1",
            "info": INFO,
            "servers": [{"url": "/"}],
            "security": [],  # who may call is the platform's business
            "tags": TAGS,
            "paths": {
                "/api/v1/feedback": {"post": _feedback("takeFeedback")},
                "/v1/feedback": {"post": _feedback("takeFeedbackAlias")},
                "/": {"post": _event()},
                **health.paths(REQUEST_ID),
            },
            "components": {
                "schemas": {**_models(), **events.SCHEMAS, **ERROR_SCHEMAS, **health.SCHEMAS}
            },
        }
    ).encode()


class _Untitled(GenerateJsonSchema):
    """Gives fields no titles: generators of clients take these for the names of types."""

    def field_title_should_be_set(self, schema: object) -> bool:
        return False


def _models() -> dict[str, Schema]:
    request = _Untitled().generate(FEEDBACK_SCHEMA)
    response = TypeAdapter(StrategyUpdate).json_schema(
        ref_template=_ref("{model}"), mode="serialization", schema_generator=_Untitled
    )
    response["properties"]["student_id"]["format"] = "uuid"
    response["properties"]["timestamp"]["format"] = "date-time"
    return {**response.pop("$defs"), "Feedback": request, "StrategyUpdate": response}


def _feedback(operation_id: str) -> Schema:
    return {
        "operationId": operation_id,
        "tags": ["feedback"],
        "summary": "Take a student's feedback",
        "description": "A CloudEvent is taken, too, as at `/`.",
        "parameters": PARAMETERS,
        "requestBody": {"required": True, "content": _json({"$ref": _ref("Feedback")})},
        "responses": {
            "200": _stored(_json({"$ref": _ref("StrategyUpdate")})),
            **_errors("the Idempotency-Key"),
        },
    }


def _event() -> Schema:
    return {
        "operationId": "takeEvent",
        "tags": ["feedback"],
        "summary": "Take a student's feedback in a CloudEvent",
        "description": events.DESCRIPTION,
        "parameters": PARAMETERS[1:],  # an event has no need of an Idempotency-Key
        "requestBody": {"required": True, "content": events.REQUESTS},
        "responses": {
            "200": _stored(events.ANSWERS, events.REPLY_HEADERS),
            "415": _error(415, "UNSUPPORTED_MEDIA_TYPE: an event that is not in JSON."),
            **_errors("source and id"),
        },
    }


def _stored(content: Schema, more_headers: Schema | None = None) -> Schema:
    replayed = {"description": "`true` on a repeat.", "schema": events.constant("true")}
    headers = {"X-Request-Id": REQUEST_ID, "Idempotency-Replayed": replayed, **(more_headers or {})}
    description = "The feedback is stored; this is the strategy."
    return {"description": description, "headers": headers, "content": content}


def _errors(key: str) -> Schema:
    """What can go wrong with feedback; `key` says what a repeat is known by."""
    return {
        "400": _error(400, "INVALID_REQUEST: all that is wrong or missing is named."),
        "408": _error(408, "REQUEST_TIMEOUT: the body stopped in the middle; send it again."),
        "413": _error(413, "PAYLOAD_TOO_LARGE: the body is over 64 KiB."),
        "422": _error(422, f"IDEMPOTENCY_KEY_REUSED: {key} came with another payload."),
        "500": _error(500, "INTERNAL_ERROR: a bug."),
        "503": _error(503, f"UNAVAILABLE: send it again, with {key} as before."),
    }


def _error(status: int, description: str) -> Schema:
    headers: Schema = {"X-Request-Id": REQUEST_ID}
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = {"description": "Seconds.", "schema": {"type": "integer"}}
    content = {
        **_json({"$ref": _ref("Error")}),
        "application/problem+json": {"schema": {"$ref": _ref("Problem")}},
    }
    return {"description": description, "headers": headers, "content": content}


def _json(schema: Schema | dict[str, str]) -> Schema:
    return {"application/json": {"schema": schema}}


def _ref(name: str) -> str:
    return f"#/components/schemas/{name}"
