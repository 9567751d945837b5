"""What one client sends: one to three requests behind each other, most of them slightly wrong."""

from typing import NamedTuple

from hypothesis import strategies as st

from tests.fuzz.bodies import ANY_BODIES, BATCH_BODIES, EVENT, EVENT_BODIES, FEEDBACK_BODIES
from tests.instance import PATH

TARGETS = [
    *(PATH, f"{PATH}/", "/v1/feedback", "/", "/openapi.json", "//", "/%2e/"),
    *("/health/startup", "/health/liveness", "/health/ready", "/_/health", f"{PATH}?a=%00&b#c"),
    *("http://elsewhere/v1/feedback", "/%E9", "/%00", "/a%0d%0ab", "/v1%2Ffeedback", "*"),
]
METHODS = ["POST", "GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "post"]
STRUCTURED = "application/cloudevents+json"
BATCHED = "application/cloudevents-batch+json"
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
VALUES = {
    "Accept": ["application/problem+json", "application/json;q=0.1, */*;q=x", "text/html", ",;=,"],
    "Content-Type": ["application/json", "text/plain", "application/xml", f"{STRUCTURED};x", ""],
    "Content-Encoding": ["identity", "gzip", "", "identity, br"],
    "Idempotency-Key": ["k1", '"k1"', '"k\\"1";a=1', '"open', "", "x" * 256, "\xe9", "k1, k1"],
    "X-Request-Id": ["abc", "", "\x80", "y" * 129],
    "Origin": ["null", "https://elsewhere.example", "http://localhost", ""],
    "Access-Control-Request-Method": ["POST"],
    "Connection": ["close", "keep-alive", "Upgrade, HTTP2-Settings", "x"],
    "Upgrade": ["h2c", "websocket"],
    "Expect": ["100-continue"],
    "traceparent": [TRACE, "ff-" + TRACE[3:], f"{TRACE}-x", "", "00"],
    "tracestate": ["a=b,c=d", "=", "x" * 600],
    "ce-id": ["1", "a%20b", "%", "%FF", '"q\\"x"', "\xc3\xa9", ""],
    "ce-source": ["/a%20b", "", "\xff"],
    "ce-type": [EVENT["type"], "other"],
    "ce-specversion": ["1.0", "0.3", ""],
    "ce-time": ["never", "2026-01-01T00:00:00Z"],
    "Content-Length": ["3", "00", "-1", "+5", "5, 5", "9" * 30],
    "Transfer-Encoding": ["chunked", "gzip, chunked", "identity", "Chunked"],
    "Host": ["", "a b", "x"],
}
LINES = st.sampled_from(sorted(VALUES)).flatmap(
    lambda name: st.sampled_from(VALUES[name]).map(lambda value: (name, value))
)
TOKENS = [
    *(b"\r\n", b"\n", b"\r", b"\0", b"%", b"%E9", b'"', b"\xff", b"[" * 600, b"\\ud800", b"9" * 30),
    *(b" ", b"\t", b":", b"\r\n ", b"\r\n\r\n", b";", b"0\r\n\r\n", b"HTTP/2.0", b"HTTP/1.0"),
    *(b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"X: y\r\n" * 101, b"z" * 66000),
]


class Connection(NamedTuple):
    """The bytes of a client, where packets end, and how many requests were there at first."""

    data: bytes
    cuts: tuple[int, ...]
    requests: int

    def parts(self) -> list[bytes]:
        """The packets."""
        ends = [*self.cuts, len(self.data)]
        return [self.data[start:end] for start, end in zip([0, *self.cuts], ends, strict=True)]


@st.composite
def chunked(draw: st.DrawFn, body: bytes) -> bytes:
    """The body in chunks, with extensions and trailers."""
    coded = b""
    while body:
        size = draw(st.integers(1, len(body)))
        extension = draw(st.sampled_from([b"", b";a=b", b';a="b;c"']))
        coded += b"%x%b\r\n%b\r\n" % (size, extension, body[:size])
        body = body[size:]
    return coded + b"0\r\n" + draw(st.sampled_from([b"", b"", b"Host: t\r\nX: y\r\n"])) + b"\r\n"


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A request, as its client means it."""
    lines = [("Host", "localhost")]
    kind = draw(st.sampled_from(["plain", "plain", "binary", STRUCTURED, BATCHED, "any"]))
    bodies = {"any": ANY_BODIES, STRUCTURED: EVENT_BODIES, BATCHED: BATCH_BODIES}
    body = draw(bodies.get(kind, FEEDBACK_BODIES))
    if kind == "binary":
        lines += [(f"ce-{name}", value) for name, value in EVENT.items()]
    elif kind in (STRUCTURED, BATCHED):
        lines += [("Content-Type", kind)]
    elif draw(st.booleans()):
        lines += [("Idempotency-Key", draw(st.sampled_from("abc")))]
    lines += draw(st.lists(LINES, max_size=2))
    method, target = "POST", PATH
    if not draw(st.integers(0, 2)):
        method, target = draw(st.sampled_from(METHODS)), draw(st.sampled_from(TARGETS))
    if draw(st.booleans()):
        lines.append(("Transfer-Encoding", "chunked"))
        body = draw(chunked(body))
    else:
        lines.append(("Content-Length", str(len(body))))
    head = "".join(f"{name}: {value}\r\n" for name, value in lines)
    return f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body


@st.composite
def mutated(draw: st.DrawFn, data: bytes) -> bytes:
    """The bytes, in which up to two places were changed."""
    for _ in range(draw(st.sampled_from([0, 0, 1, 1, 2]))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.sampled_from([0, 0, 1, 1, 2, 8])))
        new = draw(
            st.sampled_from([b"", data[start:end] * 2])
            | st.sampled_from(TOKENS)
            | st.binary(max_size=4)
        )
        data = data[:start] + new + data[end:]
    return data


@st.composite
def connections(draw: st.DrawFn) -> Connection:
    """One to three requests, mutated, in one to four packets."""
    sent = draw(st.lists(requests(), min_size=1, max_size=3))
    data = draw(mutated(b"".join(sent)))
    cuts = draw(st.lists(st.integers(0, len(data)), max_size=3))
    return Connection(data, tuple(sorted(cuts)), len(sent))
