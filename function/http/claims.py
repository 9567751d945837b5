"""The caller, as a valid token names it."""

from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID

from function.access_settings import TokenSettings

SCOPE_CLAIMS = ("scope", "scp", "roles")  # RFC 8693; as Okta and Entra name them

Claims = Mapping[str, Any]


class Caller(NamedTuple):
    """The student who calls. A trusted caller may write for every student."""

    student_id: UUID | None
    trusted: bool


def read_caller(claims: Claims, settings: TokenSettings) -> Caller:
    """Return the student that the token names, and whether the caller is trusted."""
    trusted = claims.get("sub") in settings.trusted_subjects
    if settings.trusted_scope:
        trusted = trusted or settings.trusted_scope in _scopes(claims)
    return Caller(_as_uuid(claims.get(settings.student_claim)), trusted)


def _scopes(claims: Claims) -> set[str]:
    found: set[str] = set()
    for value in (claims.get(name) for name in SCOPE_CLAIMS):
        if isinstance(value, str):
            found.update(value.split())
        elif isinstance(value, list):
            found.update(word for word in value if isinstance(word, str))
    return found


def _as_uuid(value: object) -> UUID | None:
    try:
        return UUID(value.lower()) if isinstance(value, str) else None
    except ValueError:
        return None
