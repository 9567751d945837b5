"""What the official SDKs cost beside the function's own client (docs/decisions/0005).

    python -m venv /tmp/sdks
    /tmp/sdks/bin/pip install '.[llm]' openai anthropic psutil
    /tmp/sdks/bin/python -m bench.sdks

Each client runs in a process of its own, and asks a local server that answers at once.
"""

import asyncio
import importlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

QUESTIONS = 300
MESSAGES = [{"role": "user", "content": "x" * 6000}]
ANSWER = {
    "id": "1",
    "object": "chat.completion",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [{"type": "text", "text": "{}"}],
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "{}"}}],
    "usage": {"input_tokens": 1, "output_tokens": 1},
}
Ask = Callable[[], Awaitable[object]]


class Handler(BaseHTTPRequestHandler):
    """Answers in both formats."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps(ANSWER).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


def ours(url: str) -> Ask:
    """Make the function's client."""
    importlib.import_module("function.llm.model")
    importlib.import_module("httpx2")
    importlib.import_module("httpcore2")
    to_json = importlib.import_module("pydantic_core").to_json
    client = importlib.import_module("function.llm.client").HttpClient(url, 10)
    post: Callable[..., Awaitable[object]] = client.post
    body: dict[str, Any] = {"model": "m", "messages": MESSAGES, "max_tokens": 9}
    headers = {"Authorization": "Bearer k"}
    return lambda: post("/v1/chat/completions", headers, to_json(body))


def openai(url: str) -> Ask:
    """Make OpenAI's client."""
    client = importlib.import_module("openai").AsyncOpenAI(api_key="k", base_url=f"{url}/v1")
    create: Callable[..., Awaitable[object]] = client.chat.completions.create
    return lambda: create(model="m", messages=MESSAGES, max_completion_tokens=9)


def anthropic(url: str) -> Ask:
    """Make Anthropic's client."""
    client = importlib.import_module("anthropic").AsyncAnthropic(api_key="k", base_url=url)
    create: Callable[..., Awaitable[object]] = client.messages.create
    return lambda: create(model="m", messages=MESSAGES, max_tokens=9)


async def measure(make: Callable[[str], Ask], url: str) -> dict[str, float]:
    """Measure in this process: CPU in ms, memory in MB."""
    psutil = importlib.import_module("psutil")
    importlib.import_module("pydantic")  # the function has it anyway
    memory = psutil.Process().memory_info
    before, started = memory().rss, time.process_time()
    ask = await asyncio.to_thread(make, url)
    await ask()
    first, rss = time.process_time() - started, memory().rss - before
    started = time.process_time()
    for _ in range(QUESTIONS):
        async with asyncio.timeout(20):
            await ask()
    each = (time.process_time() - started) / QUESTIONS
    return {
        "import and first question, ms": first * 1e3,
        "memory, MB": rss / 1e6,
        "each question, ms": each * 1e3,
    }


CLIENTS = {make.__name__: make for make in (ours, openai, anthropic)}


@contextmanager
def serving() -> Iterator[str]:
    """Serve until the end of the block; the value is the server's URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def main() -> None:
    """Measure one client, whose name and server are the arguments, or all of them."""
    if len(sys.argv) > 1:
        print(json.dumps(asyncio.run(measure(CLIENTS[sys.argv[1]], sys.argv[2]))))
        return
    with serving() as url:
        for name in CLIENTS:
            command = [sys.executable, "-m", "bench.sdks", name, url]
            found = json.loads(subprocess.check_output(command))
            print(name, *(f"{title}: {value:.1f}" for title, value in found.items()), sep="  ")


if __name__ == "__main__":
    main()
