"""Whatever a stranger sends for a token is refused, and never an internal error."""

import asyncio
import base64
import json
import logging
import time
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from function.access_settings import TokenSettings
from function.errors import Unauthenticated
from function.http.claims import Caller
from function.http.tokens import Tokens
from tests.hosts.issuer import AUDIENCE, URL, SigningKey
from tests.instance import STUDENT

SETTINGS = TokenSettings("https://issuer.example/keys", URL, AUDIENCE, "sub", (), None)
KEY, WEAK = SigningKey(), SigningKey(bits=1024)


async def check(token: str) -> Caller:
    tokens = Tokens(SETTINGS)

    async def fetch() -> bytes:
        return json.dumps({"keys": [KEY.public, WEAK.public]}).encode()

    tokens._keys._fetch = fetch
    return await tokens.check({"authorization": f"Bearer {token}"})


def refusal(token: str) -> str:
    with pytest.raises(Unauthenticated) as caught:
        asyncio.run(check(token))
    return str(caught.value)


def encoded(document: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


def test_a_valid_token_is_the_students() -> None:
    assert asyncio.run(check(KEY.token(STUDENT))).student_id is not None


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_a_signature_by_a_short_key_proves_nothing() -> None:
    refusal(WEAK.token(STUDENT))


def test_an_expired_token_is_told_from_others() -> None:
    assert refusal(KEY.token(STUDENT, exp=1)) == "the token has expired"


DEEP = base64.urlsafe_b64encode(b'{"alg":' + b"[" * 40_000).decode().rstrip("=")
HEADERS: list[Any] = [
    {"alg": "RS256", "kid": ["x"]},
    {"alg": "RS256", "kid": {}},
    {"alg": ["RS256"], "kid": KEY.id},
    {"alg": "RS256", "kid": KEY.id, "crit": ["b64"], "b64": False},
    {"alg": "RS256", "kid": KEY.id, "crit": ["exp"]},
    {"alg": "RS256", "kid": KEY.id, "jwk": KEY.public},
    {"kid": KEY.id},
    [],
    None,
    "RS256",
    1e400,
]


@pytest.mark.parametrize("header", HEADERS)
def test_an_odd_header_is_refused(header: object) -> None:
    refusal(f"{encoded(header)}.{encoded({})}.AAAA")


def test_a_header_that_is_nested_too_deeply_is_refused() -> None:
    refusal(f"{DEEP}.e30.AAAA")


@given(st.text(st.characters(max_codepoint=255), max_size=200), st.binary(max_size=40))
def test_anything_at_all_is_refused(text: str, signature: bytes) -> None:
    refusal(text)
    refusal(f"{encoded({'alg': 'RS256', 'kid': KEY.id})}.{text}.{encoded(signature.hex())}")


@pytest.mark.parametrize(
    "claims", [{"exp": "soon"}, {"exp": 1e400}, {"aud": [[]]}, {"sub": 7}, {"nbf": "x"}], ids=str
)
def test_claims_of_another_type_are_refused(claims: dict[str, object]) -> None:
    now = int(time.time())
    payload = {"iss": URL, "aud": AUDIENCE, "sub": STUDENT, "exp": now + 60, **claims}
    token = jwt.api_jws.encode(json.dumps(payload).encode(), KEY.private, "RS256", {"kid": KEY.id})
    refusal(token)


def test_the_log_names_the_reason_and_quotes_no_token(caplog: pytest.LogCaptureFixture) -> None:
    token = KEY.token(STUDENT, aud="other")
    with caplog.at_level(logging.INFO, "function"):
        refusal(token)
    [record] = caplog.records
    assert vars(record)["reason"] == "InvalidAudienceError"
    assert token not in str(vars(record))
