"""No request causes an internal error."""

import json
import socket
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hosts.conftest import on_uvicorn
from tests.instance import FEEDBACK, Instance

TEXT = st.text(st.characters(codec=None, categories=None), max_size=40)  # with surrogates
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=10,
)


@st.composite
def feedback_with_anything(draw: st.DrawFn) -> bytes:
    """An object with our fields, of which up to two are wrong."""
    wrong = draw(st.sets(st.sampled_from(sorted(FEEDBACK)), max_size=2))
    unknown = draw(st.dictionaries(TEXT, JSON, max_size=2))
    document = {**unknown, **FEEDBACK, **{name: draw(TEXT | JSON) for name in wrong}}
    text = json.dumps(document, ensure_ascii=draw(st.booleans()))
    return text.encode("utf-8", "surrogatepass")


@st.composite
def cut_or_changed(draw: st.DrawFn, bodies: st.SearchStrategy[bytes]) -> bytes:
    """A body in which some bytes are replaced."""
    body = draw(bodies)
    start = draw(st.integers(0, len(body)))
    end = draw(st.integers(start, len(body)))
    return body[:start] + draw(st.binary(max_size=8)) + body[end:]


BODIES = (
    st.binary(max_size=200)
    | feedback_with_anything()
    | cut_or_changed(feedback_with_anything())
    | JSON.map(lambda value: json.dumps(value).encode())
)
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            b"Accept",
            b"Content-Type",
            b"Content-Encoding",
            b"Idempotency-Key",
            b"X-Request-Id",
            b"traceparent",
            b"tracestate",
            b"ce-id",
            b"ce-source",
            b"ce-type",
            b"ce-specversion",
        ]
    ),
    st.binary(max_size=300).map(lambda value: value.translate(None, b"\r\n\0")),
    max_size=5,
)
PATHS = st.just(b"/api/v1/feedback") | st.text(
    st.sampled_from("/aphivfeedbck1_.%20?#&=~:;@$[]+-docsenj"), max_size=60
).map(lambda path: b"/" + path.encode())
METHODS = st.sampled_from([b"POST", b"GET", b"HEAD", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"])
REQUESTS = st.tuples(st.just(b"POST"), st.just(b"/api/v1/feedback"), HEADERS, BODIES) | st.tuples(
    METHODS, PATHS, HEADERS, BODIES
)


@on_uvicorn
def test_fuzzed_requests(instance: Instance) -> None:
    """No combination of method, path, headers and body causes a 5xx."""
    seen = set()

    @settings(max_examples=600)
    @given(REQUESTS)
    def send(request: tuple[bytes, bytes, dict[bytes, bytes], bytes]) -> None:
        status = status_of(instance, *request)
        seen.add(status)
        assert status < 500

    send()

    assert {200, 400, 404, 405} <= seen  # the fuzzing gets past the first check
    assert [event for event in instance.events() if "stack" in event] == []


def status_of(
    instance: Instance, method: bytes, path: bytes, headers: dict[bytes, bytes], body: bytes
) -> int:
    lines = [b"%b: %b" % header for header in headers.items()]
    lines += [b"Host: localhost", b"Content-Length: %d" % len(body)]
    head = b"%b %b HTTP/1.1\r\n%b\r\n\r\n" % (method, path, b"\r\n".join(lines))
    with socket.create_connection(("127.0.0.1", instance.port), 30) as client:
        client.sendall(head + body)
        return int(client.recv(65536).split(b" ", 2)[1])
