"""Requests and responses, and the table from errors to statuses."""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import NamedTuple

from function import errors

# What a client sees of each failure. Any other exception is a bug: 500, INTERNAL_ERROR.
ERRORS: dict[type[errors.RequestError], tuple[int, str]] = {
    errors.InvalidRequest: (400, "INVALID_REQUEST"),
    errors.Unauthenticated: (401, "UNAUTHENTICATED"),
    errors.Forbidden: (403, "FORBIDDEN"),
    errors.NotFound: (404, "NOT_FOUND"),
    errors.MethodNotAllowed: (405, "METHOD_NOT_ALLOWED"),
    errors.BodyTimeout: (408, "REQUEST_TIMEOUT"),
    errors.PayloadTooLarge: (413, "PAYLOAD_TOO_LARGE"),
    errors.UnsupportedContentCoding: (415, "UNSUPPORTED_MEDIA_TYPE"),
    errors.UnsupportedMediaType: (415, "UNSUPPORTED_MEDIA_TYPE"),
    errors.IdempotencyKeyReused: (422, "IDEMPOTENCY_KEY_REUSED"),
    errors.TooManyRequests: (429, "TOO_MANY_REQUESTS"),
    errors.Unavailable: (503, "UNAVAILABLE"),
}
RETRY_AFTER = "2"  # seconds

JSON = "application/json"
PROBLEM = "application/problem+json"
QUALITY = re.compile(r"q=([01](?:\.\d*)?)")


class Request(NamedTuple):
    """A request. Names of headers are in lower case; `read` returns the body, once."""

    method: str
    path: str
    headers: Mapping[str, str]
    read: Callable[[], Awaitable[bytes]]


class Response(NamedTuple):
    """A response. `code` is the error's, for the log."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()
    code: str | None = None


def bearer_token(headers: Mapping[str, str]) -> str | None:
    """The token of an Authorization header; None where it has another scheme, or is missing."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def prefers(request: Request, media_type: str, *others: str) -> bool:
    """Tell whether the client names this media type, and gives no other a higher quality by name.

    A wildcard names no media type.
    """
    accepted = _accepted(request)
    quality = accepted.get(media_type, 0)
    return quality > 0 and all(quality >= accepted.get(other, 0) for other in others)


def _prefers_problem(request: Request) -> bool:
    """Tell whether the client names RFC 9457's media type, and does not prefer plain JSON."""
    accepted = _accepted(request)
    problem = accepted.get(PROBLEM, 0)
    for plain in (JSON, "application/*", "*/*"):  # the most specific one counts
        if plain in accepted:
            return problem > 0 and problem >= accepted[plain]
    return problem > 0


def _accepted(request: Request) -> dict[str, float]:
    """The quality of each media range; a range without a valid one has 1.

    https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1
    """
    accepted: dict[str, float] = {}
    for media_range in request.headers.get("accept", "").lower().split(","):
        name, *parameters = (part.strip() for part in media_range.split(";"))
        accepted[name] = max(accepted.get(name, 0), _quality(parameters))
    return accepted


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        if found := QUALITY.fullmatch(parameter):
            return float(found[1])
    return 1


def error_response(request: Request, error: errors.RequestError) -> Response:
    """Tell the client what is wrong, or that it may try again."""
    status, code = ERRORS[type(error)]
    return _error(request, status, code, str(error), _error_headers(error))


def internal_error_response(request: Request) -> Response:
    """Tell the client that there is a bug, without any detail."""
    return _error(request, 500, "INTERNAL_ERROR", "internal error")


def _error(
    request: Request,
    status: int,
    code: str,
    message: str,
    headers: tuple[tuple[str, str], ...] = (),
) -> Response:
    """Make the answer, by https://www.rfc-editor.org/rfc/rfc9457 for clients that prefer it."""
    if not _prefers_problem(request):
        body = {"code": code, "message": message}
        return Response(status, json.dumps(body).encode(), headers=headers, code=code)
    problem = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": message,
        "code": code,
    }
    return Response(status, json.dumps(problem).encode(), PROBLEM, headers, code)


def _error_headers(error: errors.RequestError) -> tuple[tuple[str, str], ...]:
    if isinstance(error, errors.MethodNotAllowed):
        return (("Allow", ", ".join(error.allowed)),)
    if isinstance(error, errors.UnsupportedContentCoding):
        return (("Accept-Encoding", "identity"),)
    if isinstance(error, errors.Unauthenticated):
        return (("WWW-Authenticate", error.challenge),)
    if isinstance(error, errors.TooManyRequests):
        return (("Retry-After", str(error.retry_after)),)
    if isinstance(error, errors.Unavailable):
        return (("Retry-After", RETRY_AFTER),)
    return ()
