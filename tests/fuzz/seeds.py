"""Real inputs that atheris changes, by the name of the target."""

import json

from tests.fuzz.bodies import EVENT, ODD_BODIES
from tests.fuzz.connections import TRACE, VALUES
from tests.fuzz.wire import CHUNKED
from tests.instance import FEEDBACK, ROOT
from tests.unit.test_postgres_url import FOREIGN_URLS, REFUSED, URLS

BODY = json.dumps(FEEDBACK).encode()
DOCUMENT = json.dumps({**EVENT, "data": FEEDBACK}).encode()
BINARY = "".join(f"ce-{name}: {value}\n" for name, value in EVENT.items()).encode()
STRATEGY = json.dumps(
    {
        "perceived_difficulty": "hard",
        "difficulty_adjustment": "easier",
        "topics": [{"topic": "fractions", "weight": "high"}],
        "sentiment": "frustrated",
        "kind": "feedback",
        "understanding": "partial",
        "concern": "none",
    }
)
RESPONSES = [
    json.dumps({"choices": [{"message": {"content": STRATEGY}, "finish_reason": "stop"}]}),
    json.dumps({"content": [{"type": "text", "text": STRATEGY}], "stop_reason": "end_turn"}),
    'data: {"choices": [{"delta": {"content": "{}"}}]}\n\ndata: [DONE]\n',
    '{"error": {"code": 429, "message": "slow"}}',
]
CORPUS = [path.read_bytes()[:4000] for path in sorted((ROOT / "tests/llm/corpus").iterdir())]
TOKEN = b'{"alg": "ES256", "kid": "1", "typ": "JWT", "crit": ["b64"], "b64": false}'

SEEDS: dict[str, list[bytes]] = {
    "postgres_url": [
        url.removeprefix("postgresql://").encode()
        for url in (*URLS.values(), *REFUSED.values(), *FOREIGN_URLS.values())
    ],
    "llm_url": [
        b"https://api.openai.com/v1/chat/completions",
        b"https://x.openai.azure.com/openai/deployments/d?api-version=2024-10-21",
        b"http://[::1]:11434/v1/",
    ],
    "body": [BODY, *ODD_BODIES],
    "event": [
        BINARY + b"\n" + BODY,
        b"content-type: application/cloudevents+json\n\n" + DOCUMENT,
        b"content-type: application/cloudevents-batch+json\n\n[" + DOCUMENT + b"]",
        b"idempotency-key: k\ntraceparent: " + TRACE.encode() + b"\n\n" + BODY,
    ],
    "trace": [TRACE.encode(), b"cc-" + TRACE.encode()[3:] + b"-x"],
    "key": [value.encode("latin-1") for value in VALUES["Idempotency-Key"]],
    "accept": [value.encode() for value in VALUES["Accept"]],
    "answer": [*(text.encode() for text in RESPONSES), *CORPUS],
    "model_text": [STRATEGY.encode(), b"<think>{x}</think>```json\n" + STRATEGY.encode(), *CORPUS],
    "token": [TOKEN, b'{"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}]}'],
    "chunks": [b"3;a=b\r\nabc\r\n0\r\n\r\n", b"A\r\n0123456789\r\n0\r\nX: y\r\n\r\n"],
    "head": [
        CHUNKED + b"0\r\n\r\n",
        b"POST http://h/a?b HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx",
        b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\nUpgrade: h2c\r\n\r\n",
    ],
}
