"""An issuer of tokens, with real keys and a real server for the public ones."""

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from dev.http_server import Request, serving

AUDIENCE = "mentor"
URL = "https://issuer.example"


class SigningKey:
    """A private key and its published entry, a JSON Web Key."""

    def __init__(self, algorithm: str = "RS256", bits: int = 2048) -> None:
        self.id = uuid.uuid4().hex
        self.algorithm = algorithm
        self.private: Any
        if algorithm.startswith("ES"):
            self.private = ec.generate_private_key(ec.SECP256R1())
            public = ECAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        else:
            self.private = rsa.generate_private_key(65537, bits)
            public = RSAAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        self.public = {**public, "kid": self.id, "alg": algorithm, "use": "sig"}

    def token(self, student: str, **claims: object) -> str:
        """Return a valid token of the student, without the claims that are None."""
        now = int(time.time())
        payload = {"iss": URL, "aud": AUDIENCE, "sub": student, "iat": now, "exp": now + 600}
        found = {name: value for name, value in {**payload, **claims}.items() if value is not None}
        return jwt.encode(found, self.private, self.algorithm, {"kid": self.id})


class Issuer:
    """The server answers with `status` and `document`, after `seconds`."""

    def __init__(self, port: int, *keys: SigningKey) -> None:
        self.url = f"http://127.0.0.1:{port}/jwks/"
        self.key = keys[0]
        self.status = 200
        self.location = ""
        self.seconds = 0.0
        self.fetches = 0
        self.document = b""
        self.publish(*keys)

    def publish(self, *keys: SigningKey) -> None:
        self.document = json.dumps({"keys": [key.public for key in keys]}).encode()

    @property
    def environ(self) -> dict[str, str]:
        return {"AUTH_JWKS_URL": self.url, "AUTH_ISSUER": URL, "AUTH_AUDIENCE": AUDIENCE}


@contextmanager
def issuing(*keys: SigningKey) -> Iterator[Issuer]:
    """Serve the keys until the end of the block; tokens are signed with the first one."""

    def respond(request: Request) -> None:
        assert (request.command, request.path) == ("GET", "/jwks/")
        issuer.fetches += 1
        time.sleep(issuer.seconds)
        request.answer(issuer.status, issuer.document, {"Location": issuer.location})

    with serving(respond) as port:
        issuer = Issuer(port, *(keys or (SigningKey(),)))
        yield issuer


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
