"""The configuration of who may call: tokens, origins of browsers, and a limit for each student."""

import re
from typing import NamedTuple

from function.variables import Variables, parse_http_url

REQUIRED = ("AUTH_JWKS_URL", "AUTH_ISSUER", "AUTH_AUDIENCE")
OPTIONAL = ("AUTH_TRUSTED_SUBJECTS", "AUTH_TRUSTED_SCOPE")
LIBRARIES = ("jwt", "cryptography", "httpx2")
DEFAULT_PORTS = {"http": ":80", "https": ":443"}
RATE = r"([1-9][0-9]{0,5})/([smh])"
SECONDS = {"s": 1, "m": 60, "h": 3600}


class TokenSettings(NamedTuple):
    """Which tokens are accepted, and which of them may write for every student."""

    jwks_url: str
    issuer: str
    audience: str
    student_claim: str
    trusted_subjects: tuple[str, ...]
    trusted_scope: str | None


class RateLimit(NamedTuple):
    """How much feedback of one student is accepted in this many seconds."""

    number: int
    seconds: int


def read_token_settings(variables: Variables) -> TokenSettings | None:
    """Read AUTH_*; None where none of them is set, and callers are not checked."""
    student_claim = variables.text("AUTH_STUDENT_CLAIM") or "sub"
    jwks_url, issuer, audience = (variables.text(name) or "" for name in REQUIRED)
    subjects, scope = (variables.text(name) for name in OPTIONAL)
    if not (jwks_url or issuer or audience or subjects or scope):
        return None
    from importlib.util import find_spec  # most starts do without it

    for name in REQUIRED:
        if not variables.text(name):
            variables.problems.append(f"{name}: missing, and the other AUTH_* variables need it")
    if jwks_url and not _is_safe_url(jwks_url):
        variables.problems.append(
            "AUTH_JWKS_URL: must be https://host[:port]/path, or http:// on a loopback address"
        )
    if not all(map(find_spec, LIBRARIES)):
        variables.problems.append("AUTH_JWKS_URL: needs the extra auth: pip install '.[auth]'")
    trusted = tuple(_split(subjects or ""))
    return TokenSettings(jwks_url, issuer, audience, student_claim, trusted, scope)


def read_origins(variables: Variables) -> tuple[str, ...]:
    """Read CORS_ORIGINS, in the form in which browsers send an origin."""
    origins = _split(variables.text("CORS_ORIGINS") or "")
    if not all(map(_is_origin, origins)):
        variables.problems.append(
            "CORS_ORIGINS: must be a list like https://app.example, without paths and wildcards"
        )
        return ()
    return tuple(_without_default_port(origin.lower()) for origin in origins)


def read_rate_limit(variables: Variables) -> RateLimit | None:
    """Read RATE_LIMIT."""
    text = variables.text("RATE_LIMIT")
    if text is None:
        return None
    found = re.fullmatch(RATE, text)
    if found is None:
        variables.problems.append("RATE_LIMIT: must be a number per s, m or h, like 30/m")
        return None
    return RateLimit(int(found[1]), SECONDS[found[2]])


def _split(text: str) -> list[str]:
    return re.findall(r"[^,\s]+", text)


def _is_safe_url(text: str) -> bool:
    """Tell whether no one in the network can replace the keys."""
    parts = parse_http_url(text)
    if parts is None or parts.fragment:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname))


def _is_loopback(host: str | None) -> bool:
    from ipaddress import ip_address  # as above

    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False


def _is_origin(text: str) -> bool:
    parts = parse_http_url(text)
    return parts is not None and "*" not in text and not any(parts[2:])


def _without_default_port(origin: str) -> str:
    return origin.removesuffix(DEFAULT_PORTS[origin.partition(":")[0]])
