"""Callers are checked by tokens: real ones, signed by real keys."""

import base64
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from dev.ports import free_port
from tests.hosts.conftest import Rows, on_uvicorn
from tests.hosts.events import event, send_batch
from tests.hosts.issuer import URL, Issuer, SigningKey, bearer, issuing
from tests.instance import FEEDBACK, PATH, STUDENT, Answer, Instance, running
from tests.waiting import wait_until

BROKER = "system:serviceaccount:mathtrail:mentor-oidc-trigger"
SCOPE = "feedback:any"


@pytest.fixture(scope="session")
def issuer() -> Iterator[Issuer]:
    with issuing(SigningKey(), SigningKey("ES256"), SigningKey("PS256")) as one:
        yield one


@pytest.fixture(scope="session")
def guarded(
    host: str, hosts_database: str, issuer: Issuer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Instance]:
    trusted = {"AUTH_TRUSTED_SUBJECTS": f"other, {BROKER}", "AUTH_TRUSTED_SCOPE": SCOPE}
    log_file = tmp_path_factory.mktemp("guarded") / f"{host}.log"
    with running(log_file, hosts_database, host, **issuer.environ, **trusted) as function:
        yield function.wait_until_ready()


def post(function: Instance, student: str, headers: dict[str, str]) -> Answer:
    return function.post({**FEEDBACK, "student_id": student}, headers)


def test_own_token(guarded: Instance, issuer: Issuer, student: str, rows: Rows) -> None:
    """A student's own token is accepted."""
    answer = post(guarded, student, bearer(issuer.key.token(student)))

    assert answer.status == 200
    assert len(rows(student)) == 1


@on_uvicorn
@pytest.mark.parametrize("spelling", [str.upper, "{{{}}}".format, "urn:uuid:{}".format])
def test_subject_spellings(
    guarded: Instance, issuer: Issuer, student: str, spelling: Callable[[str], str]
) -> None:
    """The subject may have any spelling of the student's UUID."""
    token = issuer.key.token(spelling(student))
    assert post(guarded, student, {"authorization": f"bearer  {token}"}).status == 200


def test_algorithms(host: str, hosts_database: str, tmp_path: Path) -> None:
    """RSA, RSA-PSS and EC keys are accepted, and fetched once."""
    keys = [SigningKey(algorithm) for algorithm in ("RS256", "PS384", "ES256")]
    with (
        issuing(*keys) as issuer,
        running(tmp_path / "log", hosts_database, host, **issuer.environ) as function,
    ):
        function.wait_until_ready()
        student = STUDENT
        assert [post(function, student, bearer(key.token(student))).status for key in keys] == (
            [200] * 3
        )
        assert issuer.fetches == 1


def forged(header: dict[str, object], payload: dict[str, object], secret: bytes) -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(one).encode()) for one in (header, payload)]
    signed = b".".join(part.rstrip(b"=") for part in parts)
    mac = hmac.digest(secret, signed, hashlib.sha256) if secret else b""
    return (signed + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")).decode()


def claims(student: str) -> dict[str, object]:
    now = int(time.time())
    return {"iss": URL, "aud": "mentor", "sub": student, "iat": now, "exp": now + 600}


def by_public_key(key: SigningKey, student: str) -> str:
    """A token whose HMAC secret is the issuer's public key."""
    form = (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    secret = key.private.public_key().public_bytes(*form)
    return forged({"alg": "HS256", "kid": key.id}, claims(student), secret)


def with_other_payload(key: SigningKey, student: str) -> str:
    head, _, signature = key.token(str(uuid.uuid4())).split(".")
    payload = forged({}, claims(student), b"").split(".")[1]
    return f"{head}.{payload}.{signature}"


REFUSED: dict[str, Callable[[SigningKey, str], str]] = {
    "expired": lambda key, student: key.token(student, exp=int(time.time()) - 90),
    "not yet valid": lambda key, student: key.token(student, nbf=int(time.time()) + 90),
    "issued in the future": lambda key, student: key.token(student, iat=int(time.time()) + 90),
    "without an end": lambda key, student: key.token(student, exp=None),
    "another audience": lambda key, student: key.token(student, aud="other"),
    "no audience": lambda key, student: key.token(student, aud=None),
    "another issuer": lambda key, student: key.token(student, iss=URL + "/"),
    "no issuer": lambda key, student: key.token(student, iss=None),
    "alg none": lambda key, student: forged({"alg": "none", "kid": key.id}, claims(student), b""),
    "HS256 with the public key": by_public_key,
    "another algorithm of the key": lambda key, student: jwt.encode(
        claims(student), key.private, "RS512", {"kid": key.id}
    ),
    "an unknown key": lambda key, student: SigningKey().token(student),
    "another key under this id": lambda key, student: jwt.encode(
        claims(student), SigningKey().private, "RS256", {"kid": key.id}
    ),
    "without a key id": lambda key, student: jwt.encode(claims(student), key.private, "RS256"),
    "another payload": with_other_payload,
    "nonsense": lambda key, student: "nonsense",
    "empty": lambda key, student: "",
    "not ASCII": lambda key, student: "é.é.é",
    "two": lambda key, student: f"{key.token(student)}, Bearer {key.token(student)}",
}


@on_uvicorn
@pytest.mark.parametrize("kind", REFUSED)
def test_invalid_token(
    guarded: Instance, issuer: Issuer, student: str, rows: Rows, kind: str
) -> None:
    """An invalid token gets 401, is not logged, and nothing is stored."""
    token = REFUSED[kind](issuer.key, student)

    answer = post(guarded, student, bearer(token))

    assert (answer.status, answer.json()["code"]) == (401, "UNAUTHENTICATED")
    assert answer.headers["www-authenticate"] == 'Bearer realm="mentor", error="invalid_token"'
    assert rows(student) == []
    assert not token or token not in guarded.log


@pytest.mark.parametrize("authorization", [None, "Basic bWVudG9yOm1lbnRvcg==", "", "Bearer1 x"])
def test_no_token(guarded: Instance, student: str, authorization: str | None) -> None:
    """Without a bearer token, 401 names the scheme but no error."""
    headers = {} if authorization is None else {"Authorization": authorization}

    answer = post(guarded, student, headers)

    assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Bearer realm="mentor"')


def test_before_body(guarded: Instance, issuer: Issuer) -> None:
    """The token is checked before the body is parsed."""
    assert guarded.request("POST", PATH, b"nonsense").status == 401
    token = issuer.key.token("anyone")
    assert guarded.request("POST", PATH, b"nonsense", bearer(token)).status == 400


@on_uvicorn
def test_clock_skew(guarded: Instance, issuer: Issuer, student: str) -> None:
    """A clock that is wrong by 30 seconds is tolerated."""
    now = int(time.time())
    for claim in ({"exp": now - 30}, {"nbf": now + 30}, {"iat": now + 30}):
        assert post(guarded, student, bearer(issuer.key.token(student, **claim))).status == 200


@on_uvicorn
@pytest.mark.parametrize("subject", ["", "admin", "6ba7b810-9dad-11d1-80b4-00c04fd430c8", None])
def test_other_student(
    guarded: Instance, issuer: Issuer, student: str, rows: Rows, subject: str | None
) -> None:
    """A token can't write feedback of another student."""
    token = issuer.key.token(student, sub=subject)

    answer = post(guarded, student, bearer(token))

    assert (answer.status, answer.json()["code"]) == (403, "FORBIDDEN")
    assert rows(student) == []


def test_batch(guarded: Instance, issuer: Issuer, student: str, rows: Rows) -> None:
    """All students of a batch must be the caller."""
    headers = bearer(issuer.key.token(student))
    own, other = event(student, "1"), event(str(uuid.uuid4()))

    accepted = send_batch(guarded, own, event(student, "2"), **headers)
    mixed = send_batch(guarded, own, other, **headers)

    assert (accepted.status, mixed.status) == (200, 403)
    assert len(rows(student)) == 2


@on_uvicorn
@pytest.mark.parametrize(
    "claim",
    [
        {"sub": BROKER},
        {"scope": f"openid {SCOPE}"},
        {"scp": [SCOPE]},
        {"roles": ["teacher", SCOPE]},
    ],
    ids=lambda claim: next(iter(claim)),
)
def test_trusted_caller(
    guarded: Instance, issuer: Issuer, student: str, claim: dict[str, object]
) -> None:
    """A trusted subject or scope can write for every student."""
    token = issuer.key.token(str(uuid.uuid4()), **claim)
    events = event(student), event(str(uuid.uuid4()))

    assert send_batch(guarded, *events, **bearer(token)).status == 200


@on_uvicorn
@pytest.mark.parametrize(
    "claim",
    [
        {"sub": BROKER + "2"},
        {"sub": f"other, {BROKER}"},
        {"scope": SCOPE + "s"},
        {"roles": {}},
        {"scp": 7},
    ],
    ids=str,
)
def test_similar_claims(
    guarded: Instance, issuer: Issuer, student: str, claim: dict[str, object]
) -> None:
    """A claim that only resembles the trusted one gives no rights."""
    token = issuer.key.token(str(uuid.uuid4()), **claim)
    assert post(guarded, student, bearer(token)).status == 403


@pytest.mark.parametrize(
    "path", ["/health/ready", "/health/liveness", "/_/health", "/openapi.json"]
)
def test_public_paths(guarded: Instance, path: str) -> None:
    """Probes and /openapi.json need no token."""
    assert guarded.get(path).status == 200


def test_student_claim(hosts_database: str, issuer: Issuer, student: str, tmp_path: Path) -> None:
    """AUTH_STUDENT_CLAIM names the claim that identifies the student."""
    environ = {**issuer.environ, "AUTH_STUDENT_CLAIM": "https://mathtrail.example/student"}
    with running(tmp_path / "log", hosts_database, **environ) as function:
        function.wait_until_ready()
        claim = {environ["AUTH_STUDENT_CLAIM"]: student}
        named = issuer.key.token("someone", **claim)

        assert post(function, student, bearer(named)).status == 200
        assert post(function, student, bearer(issuer.key.token(student))).status == 403


def test_key_rotation(host: str, hosts_database: str, student: str, tmp_path: Path) -> None:
    """A new key is fetched, and tokens of a withdrawn key are refused."""
    old, new = SigningKey(), SigningKey()
    with (
        issuing(old) as issuer,
        running(tmp_path / "log", hosts_database, host, **issuer.environ) as function,
    ):
        function.wait_until_ready()
        assert post(function, student, bearer(old.token(student))).status == 200
        issuer.publish(new)
        wait_until(lambda: post(function, student, bearer(new.token(student))).status == 200)
        assert post(function, student, bearer(old.token(student))).status == 401


def test_issuer_fails(host: str, hosts_database: str, student: str, tmp_path: Path) -> None:
    """Known keys are kept while the issuer fails; unknown keys get 503."""
    with (
        issuing() as issuer,
        running(tmp_path / "log", hosts_database, host, **issuer.environ) as function,
    ):
        function.wait_until_ready()
        assert post(function, student, bearer(issuer.key.token(student))).status == 200
        issuer.status = 500
        unknown = bearer(SigningKey().token(student))
        wait_until(lambda: post(function, student, unknown).status == 503)
        assert post(function, student, bearer(issuer.key.token(student))).status == 200
        assert {"reason": "status"}.items() <= warnings(function)[-1].items()


def test_no_keys(host: str, hosts_database: str, tmp_path: Path) -> None:
    """Without any keys, the answer is 503 with Retry-After."""
    environ = {
        "AUTH_ISSUER": URL,
        "AUTH_AUDIENCE": "mentor",
        "AUTH_JWKS_URL": f"http://127.0.0.1:{free_port()}/keys?x=1",
    }
    with running(tmp_path / "log", hosts_database, host, **environ) as function:
        function.wait_until_ready()

        answer = function.post(headers=bearer(SigningKey().token(STUDENT)))

        assert (answer.status, answer.json()["code"]) == (503, "UNAVAILABLE")
        assert int(answer.headers["retry-after"]) >= 1


def be_slow(issuer: Issuer) -> None:
    issuer.seconds = 8


def be_large(issuer: Issuer) -> None:
    issuer.document += b" " * 300_000


def redirect(issuer: Issuer) -> None:
    issuer.status, issuer.location = 302, issuer.url


def be_empty(issuer: Issuer) -> None:
    issuer.publish()


@on_uvicorn
@pytest.mark.parametrize(
    ("misbehave", "reason"),
    [
        (be_slow, "timeout"),
        (be_large, "too large"),
        (redirect, "status"),
        (be_empty, "no usable keys"),
    ],
)
def test_bad_issuer(
    host: str,
    hosts_database: str,
    tmp_path: Path,
    misbehave: Callable[[Issuer], None],
    reason: str,
) -> None:
    """A slow or wrong issuer causes 503 with its reason, and other requests are not delayed."""
    with (
        issuing() as issuer,
        ThreadPoolExecutor(1) as threads,
        running(tmp_path / "log", hosts_database, host, **issuer.environ) as function,
    ):
        function.wait_until_ready()
        misbehave(issuer)
        token = issuer.key.token(STUDENT)
        waiting = threads.submit(function.post, FEEDBACK, bearer(token))
        wait_until(lambda: issuer.fetches > 0)
        assert function.get("/_/health").status == 200
        assert waiting.result().status == 503
        assert [event["reason"] for event in warnings(function)] == [reason]


def test_before_database(issuer: Issuer, student: str, tmp_path: Path) -> None:
    """Callers are checked before the rate limit, and both before PostgreSQL is asked."""
    url = f"postgresql://postgres@127.0.0.1:{free_port()}/postgres"
    with running(tmp_path / "log", url, **issuer.environ, RATE_LIMIT="1/h") as function:
        function.wait_until_ready(probe="/health/startup")
        assert post(function, student, {}).status == 401
        headers = {**bearer(issuer.key.token(student)), "Idempotency-Key": student}
        assert function.post(headers=headers).status == 403
        untrusted = bearer(issuer.key.token(BROKER, roles=SCOPE))
        assert send_batch(function, event(student), **untrusted).status == 403
        assert [post(function, student, headers).status for _ in range(2)] == [503, 429]


def warnings(function: Instance) -> list[dict[str, Any]]:
    return [event for event in function.events() if event["level"] == "WARNING"]


def test_no_checks_warning(host: str, instance: Instance) -> None:
    """If callers are not checked, each host logs one warning."""
    events = [event for event in instance.events() if event["event"] == "callers are not checked"]
    assert [event["level"] for event in events] == ["WARNING"]


def test_checks_no_warning(guarded: Instance) -> None:
    """If callers are checked, there is no such warning."""
    assert "callers are not checked" not in guarded.log
