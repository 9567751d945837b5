"""A provider for tests: it wants a key, counts tokens, and refuses one message."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from eval.server import completion

KEY = "sk-test-7f3a"
REFUSED = "meh"
TOKENS_IN, TOKENS_OUT = 1000, 50


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        request = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Authorization"] != f"Bearer {KEY}":
            self._send(401, b'{"error": {"message": "Incorrect API key"}}')
        else:
            self._send(200, _answer(request))

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def _answer(request: bytes) -> bytes:
    found = json.loads(completion(request))
    found["usage"] = {"prompt_tokens": TOKENS_IN, "completion_tokens": TOKENS_OUT}
    if REFUSED in json.loads(request)["messages"][-1]["content"]:
        found["choices"][0]["message"] = {"role": "assistant", "refusal": "no"}
    return json.dumps(found).encode()


@contextmanager
def serving() -> Iterator[str]:
    """Serve until the end of the block; the value is the base URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
