"""When the issuer's keys are fetched, and what becomes of those that are known."""

import asyncio
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from function.errors import Unavailable
from function.http.keys import MAXIMUM_AGE, MINIMUM_INTERVAL, Keys
from function.http.tokens import parse_keys
from function.llm.outcome import NoAnswer, Reason
from tests.hosts.issuer import SigningKey


class FakeIssuer:
    """Keys are the words of the document."""

    def __init__(self, document: bytes) -> None:
        self.document: bytes | Exception = document
        self.fetches = 0
        self.now = 0.0
        self.keys = Keys(self.fetch, self.parse, lambda: self.now)

    async def fetch(self) -> bytes:
        self.fetches += 1
        await asyncio.sleep(0)
        if isinstance(self.document, Exception):
            raise self.document
        return self.document

    def parse(self, document: bytes) -> dict[str, str]:
        return {word: word for word in document.decode("ascii").split()}


AWAY = NoAnswer(Reason.UNREACHABLE)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_who_comes_at_once_waits_for_one_fetch() -> None:
    async def run() -> None:
        issuer = FakeIssuer(b"a b")
        found = await asyncio.gather(*(issuer.keys.find(key) for key in "abab"))
        assert found == ["a", "b", "a", "b"]
        assert issuer.fetches == 1

    asyncio.run(run())


def test_who_gives_up_does_not_end_the_fetch_of_the_others() -> None:
    async def run() -> None:
        issuer = FakeIssuer(b"a")
        first, second = (asyncio.create_task(issuer.keys.find("a")) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        assert await second == "a"
        assert issuer.fetches == 1

    asyncio.run(run())


def test_unknown_ids_ask_the_issuer_once_an_interval() -> None:
    async def run() -> None:
        issuer = FakeIssuer(b"a")
        assert [await issuer.keys.find(key) for key in "xyz"] == [None] * 3
        assert issuer.fetches == 1
        issuer.now, issuer.document = MINIMUM_INTERVAL, b"a x"
        assert await issuer.keys.find("x") == "x"
        assert issuer.fetches == 2

    asyncio.run(run())


def test_old_keys_are_used_while_new_ones_come_and_withdrawn_ones_go() -> None:
    async def run() -> None:
        issuer = FakeIssuer(b"a")
        assert await issuer.keys.find("a") == "a"
        issuer.now, issuer.document = MAXIMUM_AGE, b"b"
        assert await issuer.keys.find("a") == "a"
        await settle()
        assert await issuer.keys.find("a") is None

    asyncio.run(run())


@pytest.mark.parametrize("failure", [AWAY, TimeoutError(), b"\xff"], ids=repr)
def test_an_issuer_in_trouble_takes_no_keys_away_and_is_asked_again(
    failure: bytes | Exception,
) -> None:
    async def run() -> None:
        issuer = FakeIssuer(b"a")
        await issuer.keys.find("a")
        issuer.now, issuer.document = MAXIMUM_AGE, failure
        with pytest.raises(Unavailable):
            await issuer.keys.find("b")
        assert await issuer.keys.find("a") == "a"
        assert issuer.fetches == 2
        issuer.now, issuer.document = MAXIMUM_AGE + MINIMUM_INTERVAL, b"b"
        assert await issuer.keys.find("b") == "b"

    asyncio.run(run())


BITCOINS = ec.generate_private_key(ec.SECP256K1())
USABLE = SigningKey().public


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param({**USABLE, "use": "enc"}, id="for encryption"),
        pytest.param({**USABLE, "alg": "RSA-OAEP"}, id="algorithm of encryption"),
        pytest.param({**USABLE, "alg": "none"}, id="algorithm none"),
        pytest.param({**USABLE, "alg": "ES256"}, id="algorithm of another key type"),
        pytest.param({**USABLE, "alg": ["RS256"]}, id="list of algorithms"),
        pytest.param({**USABLE, "n": "!"}, id="modulus that is not Base64"),
        pytest.param({**USABLE, "n": 1}, id="number as modulus"),
        pytest.param({name: USABLE[name] for name in USABLE if name != "kid"}, id="no id"),
        pytest.param({**USABLE, "kid": 7}, id="number as id"),
        pytest.param({"kty": "oct", "k": "c2VjcmV0", "kid": "1", "alg": "HS256"}, id="HMAC"),
        pytest.param({"kty": "oct", "k": "c2VjcmV0", "kid": "1"}, id="HMAC without algorithm"),
        pytest.param({"kty": ["RSA"]}, id="list of key types"),
        pytest.param(
            {**ECAlgorithm.to_jwk(BITCOINS.public_key(), as_dict=True), "kid": "1"},
            id="unsupported curve",
        ),
        pytest.param({}, id="empty"),
        pytest.param("RSA", id="string"),
        pytest.param(None, id="null"),
    ],
)
def test_an_entry_that_is_no_key_for_signatures_is_left_out(entry: object) -> None:
    document = json.dumps({"keys": [entry, USABLE]}).encode()
    assert list(parse_keys(document)) == [USABLE["kid"]]


@pytest.mark.parametrize(
    "document",
    [b"", b"[]", b"{}", b'{"keys": 1}', b'{"keys": []}', b'{"keys": [{}]}', b"\xff", b"[" * 99_999],
    ids=lambda document: document[:20],
)
def test_what_is_no_key_set_is_an_error(document: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_keys(document)


def test_the_algorithm_of_a_key_without_one_is_its_types() -> None:
    entries = [SigningKey(name) for name in ("RS256", "ES256")]
    without = [{**one.public, "alg": None} for one in entries]
    without = [{name: value for name, value in one.items() if value} for one in without]
    keys = parse_keys(json.dumps({"keys": without}).encode())
    assert [keys[one.id].algorithm_name for one in entries] == ["RS256", "ES256"]
