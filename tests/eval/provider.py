"""A test provider that requires a key, counts tokens, and refuses one message."""

import json
from contextlib import AbstractContextManager

from eval import server

KEY = "sk-test-7f3a"
REFUSED = "meh 😐"
TOKENS_IN, TOKENS_OUT = 1000, 50


class _Handler(server.Handler):
    def answer(self, question: bytes) -> tuple[int, bytes]:
        if self.headers["Authorization"] != f"Bearer {KEY}":
            return 401, b'{"error": {"message": "Incorrect API key"}}'
        return 200, _answer(question)


def _answer(request: bytes) -> bytes:
    found = json.loads(server.completion(request))
    found["usage"] = {"prompt_tokens": TOKENS_IN, "completion_tokens": TOKENS_OUT}
    if REFUSED in json.loads(request)["messages"][-1]["content"]:
        found["choices"][0]["message"] = {"role": "assistant", "refusal": "no"}
    return json.dumps(found).encode()


def serving() -> AbstractContextManager[str]:
    """Serve until the end of the block; the value is the base URL."""
    return server.serving(_Handler)
