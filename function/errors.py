"""What can go wrong for a client, one class each.

`function.http.messages` maps each RequestError to a status and a code, in one table.
"""


class ClientDisconnected(Exception):
    """The client disconnected before it had sent its request, so nobody waits for an answer."""


class RequestError(Exception):
    """A failure with a text that is safe to show to the client."""


class InvalidRequest(RequestError):
    """The request can never succeed as it is."""


class Unauthenticated(RequestError):
    """The request has no valid token; `challenge` is the value of WWW-Authenticate."""

    def __init__(self, message: str, challenge: str) -> None:
        super().__init__(message)
        self.challenge = challenge


class Forbidden(RequestError):
    """The caller, or the web page that sent the request, is not allowed to do this."""


class NotFound(RequestError):
    """There is nothing at this path."""


class MethodNotAllowed(RequestError):
    """The path exists, but not for this method."""

    def __init__(self, message: str, allowed: tuple[str, ...]) -> None:
        super().__init__(message)
        self.allowed = allowed


class PayloadTooLarge(RequestError):
    """The body is over the limit."""


class BodyTimeout(RequestError):
    """The body stopped in the middle; the same request may succeed later."""


class UnsupportedMediaType(RequestError):
    """The request is an event, but not in JSON."""


class UnsupportedContentCoding(RequestError):
    """The body is compressed."""


class IdempotencyKeyReused(RequestError):
    """The key, or the event's source and id, stands for another payload of the same student."""


class TooManyRequests(RequestError):
    """A student sent too much; the same request may succeed after `retry_after` seconds."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unavailable(RequestError):
    """PostgreSQL did not confirm the row in time; the same request may succeed later."""
