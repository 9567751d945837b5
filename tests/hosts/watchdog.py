"""A client that behaves like OpenFaaS's of-watchdog in its mode "http".

It forwards all headers of the gateway, also hop-by-hop headers, and sends each body in chunks:
https://github.com/openfaas/of-watchdog
"""

import json
import uuid
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection, HTTPException

from tests.instance import FEEDBACK, PATH

CHUNK = 40  # bytes
# Headers of clients and of the gateway.
HEADERS = {
    "X-Call-Id": "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
    "X-Forwarded-For": "10.42.0.7:51234",
    "X-Forwarded-Host": "gateway.openfaas:8080",
    "X-Start-Time": "1771236765123456789",
    "Accept-Encoding": "gzip",
    "Connection": "keep-alive, Te",
    "Keep-Alive": "timeout=5, max=100",
    "Proxy-Connection": "keep-alive",
    "Te": "trailers",
}
UNANSWERED = 0


class Watchdog:
    """A connection of of-watchdog's pool."""

    def __init__(self, port: int) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=40)
        self.sent = 0  # requests

    def post(self, student: str = "", headers: Mapping[str, str] = HEADERS) -> int:
        """Send feedback; return the status, or UNANSWERED where of-watchdog would return 500."""
        feedback = {**FEEDBACK, "student_id": student or str(uuid.uuid4())}
        try:
            self._connection.request(
                "POST", PATH, chunks(feedback), dict(headers), encode_chunked=True
            )
            self.sent += 1
            response = self._connection.getresponse()
            body = response.read()
        except (OSError, HTTPException):
            self.close()
            return UNANSWERED
        assert json.loads(body), "the answer is incomplete"
        return response.status

    @property
    def is_open(self) -> bool:
        return self._connection.sock is not None

    def close(self) -> None:
        self._connection.close()


def chunks(feedback: Mapping[str, object]) -> Iterator[bytes]:
    body = json.dumps(feedback).encode()
    for start in range(0, len(body), CHUNK):
        yield body[start : start + CHUNK]
