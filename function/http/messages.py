"""What a host and the handler exchange: requests, responses, and what a failure looks like."""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import NamedTuple

from function.errors import (
    BodyTimeout,
    Forbidden,
    IdempotencyKeyReused,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    RequestError,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
    UnsupportedMediaType,
)

# What a client sees of each failure. Any other exception is a bug: 500, INTERNAL_ERROR.
ERRORS: dict[type[RequestError], tuple[int, str]] = {
    InvalidRequest: (400, "INVALID_REQUEST"),
    Unauthenticated: (401, "UNAUTHENTICATED"),
    Forbidden: (403, "FORBIDDEN"),
    NotFound: (404, "NOT_FOUND"),
    MethodNotAllowed: (405, "METHOD_NOT_ALLOWED"),
    BodyTimeout: (408, "REQUEST_TIMEOUT"),
    PayloadTooLarge: (413, "PAYLOAD_TOO_LARGE"),
    UnsupportedMediaType: (415, "UNSUPPORTED_MEDIA_TYPE"),
    IdempotencyKeyReused: (422, "IDEMPOTENCY_KEY_REUSED"),
    TooManyRequests: (429, "TOO_MANY_REQUESTS"),
    Unavailable: (503, "UNAVAILABLE"),
}
RETRY_AFTER = "2"  # seconds


class Request(NamedTuple):
    """What a host received. Names of headers are in lower case; `read` returns the body, once."""

    method: str
    path: str
    headers: Mapping[str, str]
    read: Callable[[], Awaitable[bytes]]


class Response(NamedTuple):
    """What a host sends. `code` is that of an error, for the log."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    code: str | None = None


def accepts(request: Request, media_type: str) -> bool:
    """Tell whether the client asks for this very media type; a wildcard does not count.

    https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1
    """
    for media_range in request.headers.get("accept", "").lower().split(","):
        found, *parameters = (part.strip() for part in media_range.split(";"))
        if found == media_type:
            return not any(re.fullmatch(r"q=0(\.0*)?", parameter) for parameter in parameters)
    return False


def error_response(request: Request, error: RequestError) -> Response:
    """Tell the client what it did wrong, or that it may try again."""
    status, code = ERRORS[type(error)]
    return _error(request, status, code, str(error), _error_headers(error))


def internal_error_response(request: Request) -> Response:
    """Tell the client of a bug, and nothing about it."""
    return _error(request, 500, "INTERNAL_ERROR", "internal error")


def _error(
    request: Request,
    status: int,
    code: str,
    message: str,
    headers: tuple[tuple[str, str], ...] = (),
) -> Response:
    """The error's body; RFC 9457 for who asks: https://www.rfc-editor.org/rfc/rfc9457"""
    body_type = "application/problem+json"
    if not accepts(request, body_type):
        body = {"code": code, "message": message}
        return Response(status, json.dumps(body).encode(), headers=headers, code=code)
    problem = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": message,
        "code": code,
    }
    return Response(status, json.dumps(problem).encode(), body_type, headers, code)


def _error_headers(error: RequestError) -> tuple[tuple[str, str], ...]:
    if isinstance(error, MethodNotAllowed):
        return (("Allow", ", ".join(error.allowed)),)
    if isinstance(error, Unauthenticated):
        return (("WWW-Authenticate", error.challenge),)
    if isinstance(error, TooManyRequests):
        return (("Retry-After", str(error.retry_after)),)
    if isinstance(error, Unavailable):
        return (("Retry-After", RETRY_AFTER),)
    return ()
