"""Behind a proxy, no request hides in another, and each client gets its own answer."""

import json
import uuid
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from tests.clients.proxy import running_proxy
from tests.hosts.conftest import Rows
from tests.instance import FEEDBACK, PATH, Instance

HEAD = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\n".encode()
FORBIDDEN = "/v1/feedback"  # the proxy refuses this path, and the function accepts it

pytestmark = pytest.mark.clients


@pytest.fixture(scope="session", params=["nginx", "haproxy"])
def proxy(
    request: pytest.FixtureRequest, instance: Instance, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Instance]:
    """The instance at the port of a proxy."""
    folder = tmp_path_factory.mktemp(request.param)
    with running_proxy(request.param, instance, folder) as port:
        yield Instance(instance.process, port, folder / "log")


def feedback_of(student: str) -> bytes:
    return json.dumps({**FEEDBACK, "student_id": student}).encode()


def hidden_in(student: str) -> bytes:
    """A request that the function gets only if it bypasses the proxy."""
    body = feedback_of(student)
    head = f"POST {FORBIDDEN} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


# One parser reads a chunked body, which ends before the hidden request. Another one reads the
# number of bytes in Content-Length.
CHUNKED_OR_NOT = {
    "a length and chunked": b"Content-Length: %d\r\nTransfer-Encoding: chunked",
    "a folded header": b"X-Folded: x\r\n Transfer-Encoding: chunked\r\nContent-Length: %d",
    "a folded value": b"Transfer-Encoding:\r\n chunked\r\nContent-Length: %d",
    "a header after a bare LF": b"X: x\nTransfer-Encoding: chunked\r\nContent-Length: %d",
    "a space before the colon": b"Transfer-Encoding : chunked\r\nContent-Length: %d",
}


def chunked_or_not(headers: bytes, hidden: bytes) -> bytes:
    body = b"0\r\n\r\n" + hidden
    return HEAD + headers % len(body) + b"\r\n\r\n" + body


def te_and_short_cl(hidden: bytes) -> bytes:
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(hidden), hidden)
    size = b"%x\r\n" % len(hidden)
    lines = b"Transfer-Encoding: chunked\r\nContent-Length: %d\r\n\r\n" % len(size)
    return HEAD + lines + body


def two_lengths(hidden: bytes) -> bytes:
    return HEAD + b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n%b" % (len(hidden), hidden)


def bare_lf_in_chunk_extension(hidden: bytes) -> bytes:
    """One parser ends the line of the size at the LF, another one at the CRLF."""
    chunk = b"5\r\n0\r\n\r\n" + hidden
    body = b"2;\n%x\r\n%b\r\n0\r\n\r\n" % (len(chunk), chunk)
    return HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + body


def bare_lf_after_chunk(hidden: bytes) -> bytes:
    body = b"1\r\nx\n0\r\n\r\n" + hidden
    return HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + body


SHAPES: dict[str, Callable[[bytes], bytes]] = {
    **{name: partial(chunked_or_not, headers) for name, headers in CHUNKED_OR_NOT.items()},
    "chunked and a short length": te_and_short_cl,
    "two lengths": two_lengths,
    "bare LF in a chunk extension": bare_lf_in_chunk_extension,
    "bare LF after a chunk": bare_lf_after_chunk,
}


def test_hidden_request(instance: Instance, proxy: Instance, student: str, rows: Rows) -> None:
    """The proxy refuses the hidden request, and the function would answer it."""
    hidden = hidden_in(student)

    assert proxy.stalled(hidden).startswith(b"HTTP/1.1 403 ")
    assert rows(student) == []
    assert instance.stalled(hidden).startswith(b"HTTP/1.1 200 ")
    assert len(rows(student)) == 1


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_request_smuggling(
    proxy: Instance, student: str, rows: Rows, shape: Callable[[bytes], bytes]
) -> None:
    """No request bypasses the proxy inside another one."""
    proxy.stalled(shape(hidden_in(student)))

    for _ in range(8):  # more than the proxy has connections to the function
        other = str(uuid.uuid4())
        answer = proxy.post({**FEEDBACK, "student_id": other})
        assert (answer.status, answer.json()["student_id"]) == (200, other)
    assert rows(student) == []


@pytest.mark.parametrize(
    ("extension", "trailer"),
    [(b"", b""), (b';name="value"', b""), (b"", b"X-Trailer: value\r\n")],
    ids=["chunks", "chunk extensions", "a trailer"],
)
def test_chunks(
    proxy: Instance, student: str, rows: Rows, extension: bytes, trailer: bytes
) -> None:
    """Chunks, their extensions and trailers pass through a proxy."""
    body = feedback_of(student)
    parts = [body[at : at + 7] for at in range(0, len(body), 7)]
    chunks = b"".join(b"%x%b\r\n%b\r\n" % (len(part), extension, part) for part in parts)
    head = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"

    received = proxy.stalled(head + chunks + b"0\r\n" + trailer + b"\r\n")

    assert received.startswith(b"HTTP/1.1 200 ")
    assert len(rows(student)) == 1
