"""What atheris calls with bytes: each parser, and what must hold of what it returns.

A target raises for a fault. Where another parser reads the same format, the two must agree.
"""

import asyncio
import base64
import json
import math
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

from pydantic_core import from_json

from function.access_settings import TokenSettings
from function.errors import RequestError
from function.http import cloudevents  # noqa: F401 - imported late, atheris would not see it
from function.http.delivery import parse_delivery
from function.http.document import parse_json
from function.http.ids import PRINTABLE, event_row_id, parse_idempotency_key
from function.http.messages import JSON, PROBLEM, Request, prefers
from function.http.submission import read_feedback
from function.http.tokens import Tokens, parse_keys
from function.http.traceparent import continue_trace
from function.llm.answer import read_answer
from function.llm.anthropic import AnthropicFormat
from function.llm.json_text import find_objects
from function.llm.openai import OpenAiFormat
from function.llm.outcome import NoAnswer
from function.llm.prompt import SENTIMENTS, STEPS, taxonomy
from function.llm_url import BASE_URLS, find_problem, parse_endpoint
from function.postgres_url import SPACES, UrlError, parse_url
from function.settings import ConfigurationError, load
from tests.fuzz.wire import chunks, head
from tests.hosts.issuer import AUDIENCE, URL, SigningKey
from tests.instance import STUDENT
from tests.unit.libpq import parse_by_libpq

TRACE = re.compile("00-[0-9a-f]{32}-[0-9a-f]{16}-0[0-3]")
KEY = SigningKey("ES256")
STUDENT_ID = UUID(STUDENT)
LOOP = asyncio.new_event_loop()


def text_of(data: bytes) -> str:
    """The text of a variable, which can't have a NUL."""
    return data.decode("utf-8", "replace").replace("\0", "")


def postgres_url(data: bytes) -> None:
    url = f"postgresql://{text_of(data)}"
    with suppress(ConfigurationError):
        load({"DATABASE_URL": url})
    try:
        ours = parse_url(url)
    except UrlError:
        return
    theirs = parse_by_libpq(url.rstrip(SPACES))
    assert theirs is None or ours == theirs, (ours, theirs)


def llm_url(data: bytes) -> None:
    url = text_of(data)
    for provider in BASE_URLS:
        if find_problem(provider, url) is None:
            found = parse_endpoint(provider, url)
            assert parse_endpoint(provider, found.base_url + found.query) == found
            assert isinstance(found.path, str)
        with suppress(ConfigurationError):
            variables = {"LLM_PROVIDER": provider, "LLM_BASE_URL": url, "LLM_MODEL": url}
            load({"DATABASE_URL": "postgresql://u@h/d", **variables})


def body(data: bytes) -> None:
    """JSON, and the feedback in it; pydantic's parser is the other one."""
    try:
        theirs = from_json(data, allow_inf_nan=False)
    except ValueError:
        theirs = None
    try:
        ours = parse_json(data)
    except RequestError as exc:
        refused = "JSON at" in str(exc)
    else:
        refused = False
        assert theirs is None or _with_floats(theirs) == ours
        with suppress(RequestError):
            read_feedback(ours)
    assert theirs is None or not refused, "pydantic reads it"


def _with_floats(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return float(str(value))
    if isinstance(value, list):
        return [_with_floats(one) for one in value]
    if isinstance(value, dict):
        return {name: _with_floats(one) for name, one in value.items()}
    return value


def event(data: bytes) -> None:
    """A request with headers of any kind, an empty line, and a body."""
    top, _, rest = data.partition(b"\n\n")
    lines = [line.partition(b":") for line in top.split(b"\n")]
    headers = {
        name.decode("latin-1").lower(): value.strip().decode("latin-1") for name, _, value in lines
    }
    with suppress(RequestError):
        for one in parse_delivery(headers, rest).submissions:
            assert TRACE.fullmatch(one.traceparent) or one.traceparent == headers.get(
                "traceparent", ""
            )
            assert "\0" not in one.feedback.message
            one.feedback.message.encode()
            one.feedback.task_id.encode()


def trace(data: bytes) -> None:
    assert TRACE.fullmatch(continue_trace(data.decode("latin-1")))


def key(data: bytes) -> None:
    text = data.decode("latin-1")
    with suppress(RequestError):
        assert PRINTABLE.fullmatch(parse_idempotency_key(text))
    source, _, event_id = text.partition("|")
    first, second = (event_row_id(STUDENT_ID, source, event_id, ("task", text)) for _ in range(2))
    assert first == second


def accept(data: bytes) -> None:
    async def read() -> bytes:
        return b""

    request = Request("GET", "/", {"accept": data.decode("latin-1")}, read)
    prefers(request, "text/html", JSON, PROBLEM)


def answer(data: bytes) -> None:
    """A response of a model's provider, in each format."""
    for wire_format in (OpenAiFormat(), AnthropicFormat()):
        try:
            found = read_answer(wire_format, data, "model").strategy
        except NoAnswer:
            continue
        assert found.difficulty_adjustment in STEPS.values()
        assert found.sentiment in SENTIMENTS
        assert set(found.topic_weights) <= set(taxonomy())
        assert math.isclose(math.fsum(found.topic_weights.values()), 1, abs_tol=1e-9)


def model_text(data: bytes) -> None:
    """What a model writes, inside of a response."""
    text = data.decode("utf-8", "replace")
    for found, _ in find_objects(text):
        assert isinstance(found, dict)
    answer(json.dumps({"choices": [{"message": {"content": text}}]}).encode())
    answer(json.dumps({"content": [{"type": "text", "text": text}]}).encode())


def token(data: bytes) -> None:
    """A token's three parts, of which the first is a header in JSON; and a set of keys."""
    with suppress(ValueError):
        parse_keys(data)

    async def fetch() -> bytes:
        return json.dumps({"keys": [KEY.public]}).encode()

    tokens = Tokens(TokenSettings("https://issuer.example/keys", URL, AUDIENCE, "sub", (), None))
    tokens._keys._fetch = fetch
    encoded = base64.urlsafe_b64encode(data).rstrip(b"=").decode()
    for text in (data.decode("latin-1"), f"{encoded}.e30.x"):
        with suppress(RequestError):
            LOOP.run_until_complete(tokens.check({"authorization": f"Bearer {text}"}))


TARGETS: dict[str, Callable[[bytes], None]] = {
    one.__name__: one
    for one in (
        *(postgres_url, llm_url, body, event, trace, key, accept, answer, model_text, token),
        *(chunks, head),
    )
}
