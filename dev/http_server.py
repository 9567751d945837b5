"""A small HTTP server in this process, for what stands in for another service."""

import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from dev.ports import HOST


class Request(BaseHTTPRequestHandler):
    """A request, and what answers it. Nothing is logged."""

    def respond(self) -> None:
        """Answer it; serving() sets how."""
        raise NotImplementedError

    def do_GET(self) -> None:
        self.respond()

    def do_POST(self) -> None:
        self.respond()

    def do_PUT(self) -> None:
        self.respond()

    def body(self) -> bytes:
        """Read the whole body."""
        return self.rfile.read(int(self.headers["Content-Length"]))

    def answer(
        self, status: int = 200, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> None:
        """Send the whole answer."""
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its base's name
        """Log nothing."""


@contextmanager
def serving(
    respond: Callable[[Request], None],
    *,
    version: str = "HTTP/1.0",
    tls: ssl.SSLContext | None = None,
) -> Iterator[int]:
    """Have each request answered until the end of the block; yields the port.

    Each connection has a thread of its own.
    """
    members = {"respond": respond, "protocol_version": version}
    with ThreadingHTTPServer((HOST, 0), type("OwnRequest", (Request,), members)) as server:
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
