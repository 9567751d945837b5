"""A local server that speaks OpenAI's format and answers with keyword rules."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from eval import rules
from eval.run import Reading

MODEL = "keyword-rules"


class Handler(BaseHTTPRequestHandler):
    """Answers questions."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # otherwise the body waits for the head's acknowledgement

    def do_POST(self) -> None:
        status, body = self.answer(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def answer(self, question: bytes) -> tuple[int, bytes]:
        """The status and the body of the response."""
        return 200, completion(question)

    def log_message(self, *_: object) -> None:
        """Log nothing: stderr shows the progress."""


@contextmanager
def serving(handler: type[Handler] = Handler) -> Iterator[str]:
    """Serve until the end of the block; the value is the base URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def completion(request: bytes) -> bytes:
    """Answer a chat completion, without token counts."""
    content = json.loads(request)["messages"][-1]["content"]
    answer = _answer(rules.read(json.loads(content)["message"]))
    message = {"role": "assistant", "content": json.dumps(answer)}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return json.dumps({"object": "chat.completion", "model": MODEL, "choices": [choice]}).encode()


def _answer(reading: Reading) -> dict[str, object]:
    return {
        "perceived_difficulty": reading.difficulty,
        "difficulty_adjustment": reading.adjustment,
        "sentiment": reading.sentiment,
        "topics": [{"topic": topic, "weight": "medium"} for topic in reading.topics],
        "concern": reading.concern,
    }
