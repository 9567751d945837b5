"""A server that keeps the profiles that it gets."""

import gzip
import time
from collections.abc import Iterator
from contextlib import contextmanager

from dev.http_server import Request, serving
from tests.instance import Instance


class Pyroscope:
    """Keeps the requests that the agent sends."""

    def __init__(self) -> None:
        self.url = ""
        self.bodies: list[bytes] = []

    @property
    def sent(self) -> bytes:
        """All that came, without compression."""
        return b"".join(map(_profiles, self.bodies))

    def wait(self, function: Instance) -> None:
        """Keep the function busy until a profile has come."""
        deadline = time.monotonic() + 120
        while not self.bodies:
            assert function.post().status == 200
            assert time.monotonic() < deadline


@contextmanager
def receiving() -> Iterator[Pyroscope]:
    pyroscope = Pyroscope()

    def take(request: Request) -> None:
        pyroscope.bodies.append(gzip.decompress(request.body()))
        request.answer()

    with serving(take) as port:
        pyroscope.url = f"http://127.0.0.1:{port}"
        yield pyroscope


def _profiles(body: bytes) -> bytes:
    """The profiles in a request, which are compressed once more."""
    start = body.find(b"\x1f\x8b")
    return body if start < 0 else body + gzip.decompress(body[start:])
