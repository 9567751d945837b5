"""The description of the API, OpenAPI 3.1, made from the models: imported when it is asked for.

https://spec.openapis.org/oas/v3.1.1.html
"""

import json
from functools import cache
from http import HTTPStatus

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from function import openapi_events as events
from function.feedback import FEEDBACK_SCHEMA, StrategyUpdate

Schema = dict[str, object]

REQUEST_ID = {
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
            "pattern": '^(?!""$)[!-~]([ -~]*[!-~])?$',
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
            "info": {
                "title": "Mentor function",
                "version": "1",
                "description": "Takes what a student says of a task; answers with a strategy.",
                "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            },
            "paths": {
                "/api/v1/feedback": {"post": _feedback("takeFeedback")},
                "/v1/feedback": {"post": _feedback("takeFeedbackAlias")},
                "/": {"post": _event()},
                **{path: {"get": _health(path, status)} for path, status in HEALTH.items()},
            },
            "components": {"schemas": {**_models(), **events.SCHEMAS, **ERROR_SCHEMAS}},
        }
    ).encode()


def _models() -> dict[str, Schema]:
    request = GenerateJsonSchema().generate(FEEDBACK_SCHEMA)
    response = TypeAdapter(StrategyUpdate).json_schema(
        ref_template=_ref("{model}"), mode="serialization"
    )
    response["properties"]["student_id"]["format"] = "uuid"
    response["properties"]["timestamp"]["format"] = "date-time"
    return {**response.pop("$defs"), "Feedback": request, "StrategyUpdate": response}


HEALTH = {
    "/health/startup": "started",
    "/health/liveness": "ok",
    "/health/ready": "ready",
}


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
    replayed = {"description": "`true` on a repeat.", "schema": {"const": "true"}}
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


def _health(path: str, status: str) -> Schema:
    responses = {"200": _status("It is.", status)}
    if status == "ready":
        responses["503"] = _status("PostgreSQL does not answer.", "not ready")
    name = path.rsplit("/", 1)[1].capitalize()
    return {
        "operationId": f"check{name}",
        "tags": ["health"],
        "summary": f"{name} probe",
        "responses": responses,
    }


def _status(description: str, status: str) -> Schema:
    properties = {"status": {"const": status}}
    schema: Schema = {"type": "object", "properties": properties, "required": ["status"]}
    headers = {"X-Request-Id": REQUEST_ID}
    return {"description": description, "headers": headers, "content": _json(schema)}


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
