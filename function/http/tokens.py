"""Bearer tokens: JSON Web Tokens of one issuer, checked by PyJWT.

https://www.rfc-editor.org/rfc/rfc6750, https://www.rfc-editor.org/rfc/rfc8725
"""

import json
import logging
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import jwt

from function.access_settings import TokenSettings
from function.errors import Unauthenticated
from function.http.claims import Caller, Claims, read_caller
from function.http.keys import Keys
from function.http.messages import bearer_token
from function.llm.client import HttpClient

# Signatures by a private key only: with HS256 an issuer's public key could sign.
ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)
KEY_TYPES = ("RSA", "EC", "OKP")
LEEWAY = 60  # seconds by which clocks may differ

log = logging.getLogger("function.http.tokens")


class Tokens:
    """Checks the token of each request."""

    def __init__(self, settings: TokenSettings) -> None:
        self._settings = settings
        self._keys = Keys(self._fetch, parse_keys, time.monotonic)

    async def check(self, headers: Mapping[str, str]) -> Caller:
        """Return the caller; raises Unauthenticated and Unavailable."""
        token = bearer_token(headers)
        if token is None:
            raise Unauthenticated("a bearer token is required", 'Bearer realm="mentor"')
        try:
            claims = await self._verify(token)
        except jwt.PyJWTError as exc:
            # The name of its class: the text may quote the token.
            log.info("token refused", extra={"reason": type(exc).__name__})
            text = "the token is not valid, or not for this function"
            if isinstance(exc, jwt.ExpiredSignatureError):
                text = "the token has expired"
            challenge = 'Bearer realm="mentor", error="invalid_token"'
            raise Unauthenticated(text, challenge) from None
        return read_caller(claims, self._settings)

    async def _verify(self, token: str) -> Claims:
        key_id = jwt.get_unverified_header(token).get("kid")
        key = await self._keys.find(key_id) if key_id else None
        if key is None:
            raise jwt.InvalidKeyError
        claims: Claims = jwt.decode(
            token,
            key,
            algorithms=[key.algorithm_name],
            audience=self._settings.audience,
            issuer=self._settings.issuer,
            leeway=LEEWAY,
            options={"require": ["exp", "iss", "aud"], "enforce_minimum_key_length": True},
        )
        return claims

    async def _fetch(self) -> bytes:
        """Read the key set. The connection is not kept, because the next fetch is in an hour."""
        parts = urlsplit(self._settings.jwks_url)
        client = HttpClient(f"{parts.scheme}://{parts.netloc}")
        try:
            return await client.get(parts._replace(scheme="", netloc="").geturl())
        finally:
            await client.close()


def parse_keys(document: bytes) -> dict[str, jwt.PyJWK]:
    """Return the keys for signatures; raises ValueError where there is none.

    Keys that are not understood are left out: https://www.rfc-editor.org/rfc/rfc7517#section-5
    """
    try:
        found = [_parse_key(entry) for entry in json.loads(document)["keys"]]
    except (KeyError, TypeError, RecursionError) as exc:
        raise ValueError("not a key set") from exc
    keys = {str(key.key_id): key for key in found if key}
    if not keys:
        raise ValueError("no key for signatures")
    return keys


def _parse_key(entry: Any) -> jwt.PyJWK | None:
    if not isinstance(entry, dict) or entry.get("kty") not in KEY_TYPES:
        return None
    if entry.get("use", "sig") != "sig" or entry.get("alg", "RS256") not in ALGORITHMS:
        return None
    try:
        key = jwt.PyJWK(entry)
    except jwt.PyJWTError:
        return None
    named = isinstance(key.key_id, str) and key.key_id
    return key if named and key.algorithm_name in ALGORITHMS else None
