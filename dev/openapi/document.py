"""The description of the API, OpenAPI 3.1, made from the models.

https://spec.openapis.org/oas/v3.1.1.html
"""

import json
from functools import cache
from http import HTTPStatus

from dev.openapi import events, schemas
from dev.openapi.schemas import Schema, constant, reference

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
IDEMPOTENCY_KEY = {
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
}
PARAMETERS = [
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

SECURITY_SCHEMES: Schema = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "Needed where callers are checked.",
    }
}
TOKEN_WHERE_CHECKED: list[dict[str, list[str]]] = [{}, {"token": []}]

PROBES = {
    "Startup": "`started` as soon as the process answers.",
    "Liveness": "`ok` while the process answers. It does not ask PostgreSQL.",
    "Ready": "`ready` if PostgreSQL answers and has the table; otherwise 503 and `not ready`.",
}

HEADERS_TOO_LARGE: Schema = {
    "description": "HEADERS_TOO_LARGE: the headers are over 64 KiB, or more than 100.",
    "headers": {"X-Request-Id": REQUEST_ID},
    "content": {"application/json": {"schema": reference("Error")}},
}


@cache
def document() -> bytes:
    """Return the description as JSON."""
    description = json.dumps(
        {
            "openapi": "3.1.1",
            "info": INFO,
            "servers": [{"url": "/"}],
            "security": [],
            "tags": TAGS,
            "paths": {
                "/api/v1/feedback": {"post": _feedback("takeFeedback")},
                "/v1/feedback": {"post": _feedback("takeFeedbackAlias")},
                "/": {"post": _event()},
                **{f"/health/{name.lower()}": {"get": _probe(name)} for name in PROBES},
            },
            "components": {
                "schemas": {**schemas.models(), **events.SCHEMAS},
                "securitySchemes": SECURITY_SCHEMES,
            },
        },
        indent=1,
    )
    return f"{description}\n".encode()


def _feedback(operation_id: str) -> Schema:
    return {
        "operationId": operation_id,
        "tags": ["feedback"],
        "summary": "Take a student's feedback",
        "description": "A CloudEvent is taken, too, as at `/`.",
        "security": TOKEN_WHERE_CHECKED,
        "parameters": [IDEMPOTENCY_KEY, *PARAMETERS],
        "requestBody": {"required": True, "content": _json(reference("Feedback"))},
        "responses": {
            "200": _stored(_json(reference("StrategyUpdate"))),
            **_errors("the Idempotency-Key"),
        },
    }


def _event() -> Schema:
    return {
        "operationId": "takeEvent",
        "tags": ["feedback"],
        "summary": "Take a student's feedback in a CloudEvent",
        "description": events.DESCRIPTION,
        "security": TOKEN_WHERE_CHECKED,
        "parameters": PARAMETERS,  # an event has a source and an id instead of a key
        "requestBody": {"required": True, "content": events.REQUESTS},
        "responses": {
            "200": _stored(events.ANSWERS, events.REPLY_HEADERS),
            **_errors("source and id"),
        },
    }


def _stored(content: Schema, more_headers: Schema | None = None) -> Schema:
    replayed = {"description": "`true` on a repeat.", "schema": constant("true")}
    headers = {"X-Request-Id": REQUEST_ID, "Idempotency-Replayed": replayed, **(more_headers or {})}
    description = "The feedback is stored; this is the strategy."
    return {"description": description, "headers": headers, "content": content}


def _errors(key: str) -> Schema:
    """What can go wrong with feedback; `key` says what identifies a repeat."""
    descriptions = {
        400: "INVALID_REQUEST: all that is wrong or missing is named.",
        401: "UNAUTHENTICATED: callers are checked, and this one has no valid token.",
        403: "FORBIDDEN: another student's token, or a page of another origin.",
        408: "REQUEST_TIMEOUT: the body stopped in the middle; send it again.",
        413: "PAYLOAD_TOO_LARGE: the body is over 64 KiB.",
        415: "UNSUPPORTED_MEDIA_TYPE: a Content-Encoding, or an event not in JSON.",
        422: f"IDEMPOTENCY_KEY_REUSED: {key} came with another payload.",
        429: "TOO_MANY_REQUESTS: too much feedback of this student.",
        500: "INTERNAL_ERROR: a bug.",
        503: f"UNAVAILABLE: send it again, with {key} as before.",
    }
    errors = {str(status): _error(status, text) for status, text in descriptions.items()}
    return {**errors, "431": HEADERS_TOO_LARGE}


def _probe(name: str) -> Schema:
    answer = {
        "headers": {"X-Request-Id": REQUEST_ID},
        "content": _json(reference("Health")),
    }
    responses = {"200": {"description": "The probe succeeded.", **answer}, "431": HEADERS_TOO_LARGE}
    if name == "Ready":
        responses["503"] = {"description": "PostgreSQL does not answer.", **answer}
    return {
        "operationId": f"check{name}",
        "tags": ["health"],
        "summary": f"{name} probe",
        "description": PROBES[name],
        "responses": responses,
    }


def _error(status: int, description: str) -> Schema:
    headers: Schema = {"X-Request-Id": REQUEST_ID}
    if status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
        headers["Retry-After"] = {"description": "Seconds.", "schema": {"type": "integer"}}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = {"description": "RFC 6750.", "schema": {"type": "string"}}
    content = {
        **_json(reference("Error")),
        "application/problem+json": {"schema": reference("Problem")},
    }
    return {"description": description, "headers": headers, "content": content}


def _json(schema: Schema) -> Schema:
    return {"application/json": {"schema": schema}}
