"""A server that keeps the profiles that it gets."""

import gzip
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

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

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            pyroscope.bodies.append(gzip.decompress(body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        pyroscope.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield pyroscope
        server.shutdown()


def _profiles(body: bytes) -> bytes:
    """The profiles in a request, which are compressed once more."""
    start = body.find(b"\x1f\x8b")
    return body if start < 0 else body + gzip.decompress(body[start:])
