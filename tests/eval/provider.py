"""A test provider that requires a key, counts tokens, misspells a value, and refuses a message."""

import json
from contextlib import AbstractContextManager

from eval import server

KEY = "sk-test-7f3a"
REFUSED = "meh 😐"
MISSPELLED = "I added the fractions in my head"
TOKENS_IN, TOKENS_OUT = 1000, 50


class _Handler(server.Handler):
    def answer(self, question: bytes) -> tuple[int, bytes]:
        if self.headers["Authorization"] != f"Bearer {KEY}":
            return 401, b'{"error": {"message": "Incorrect API key"}}'
        return 200, _answer(question)


class _Filter(server.Handler):
    def answer(self, question: bytes) -> tuple[int, bytes]:
        results = {"self_harm": {"filtered": True, "severity": "medium"}}
        error = {"code": "content_filter", "innererror": {"content_filter_result": results}}
        return 400, json.dumps({"error": error}).encode()


def _answer(request: bytes) -> bytes:
    found = json.loads(server.completion(request))
    found["usage"] = {"prompt_tokens": TOKENS_IN, "completion_tokens": TOKENS_OUT}
    if MISSPELLED in json.loads(request)["messages"][-1]["content"]:
        message = found["choices"][0]["message"]
        message["content"] = message["content"].replace('"easy"', '"EASY"')
    if REFUSED in json.loads(request)["messages"][-1]["content"]:
        found["choices"][0]["message"] = {"role": "assistant", "refusal": "no"}
    return json.dumps(found).encode()


def filtering() -> AbstractContextManager[str]:
    """As serving(), but a filter stops each message."""
    return server.serving(_Filter)


def serving() -> AbstractContextManager[str]:
    """Serve until the end of the block; the value is the base URL."""
    return server.serving(_Handler)
