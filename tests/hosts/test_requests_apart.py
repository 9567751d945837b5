"""Requests are kept apart and complete, wherever packets end."""

import json
import socket
import time
from collections.abc import Iterable
from pathlib import Path

import psutil
import pytest

from tests.hosts.conftest import Rows
from tests.instance import FEEDBACK, PATH, Instance
from tests.waiting import wait_until

HOST = b"Host: localhost\r\n"
OFFER = (
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAA\r\n"
)
OFFERS = {
    "h2c": OFFER,
    "websocket": b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
    "in capitals": OFFER.upper(),
}


def body_of(student: str, **more: object) -> bytes:
    return json.dumps({**FEEDBACK, "student_id": student, **more}).encode()


def post(body: bytes, headers: bytes = b"") -> bytes:
    length = b"Content-Length: %d\r\n" % len(body)
    return b"POST %b HTTP/1.1\r\n" % PATH.encode() + HOST + headers + length + b"\r\n" + body


def chunked(student: str, trailers: bytes, headers: bytes = b"") -> bytes:
    body = body_of(student)
    head = b"POST %b HTTP/1.1\r\n%bTransfer-Encoding: chunked\r\n" % (PATH.encode(), HOST)
    parts = b"%x;extension=1\r\n%b\r\n0\r\n" % (len(body), body)
    return head + headers + b"\r\n" + parts + trailers + b"\r\n"


def exchange(instance: Instance, packets: Iterable[bytes], answers: int = 1) -> bytes:
    """Send the packets one by one, and return the bytes of so many answers."""
    with socket.create_connection(("127.0.0.1", instance.port), 30) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for packet in packets:
            client.sendall(packet)
            time.sleep(0.005)  # so that the next packet can arrive separately
        received = b""
        while received.count(b"HTTP/1.1 ") < answers or not received.endswith(b"}"):
            part = client.recv(65536)
            if not part:
                break
            received += part
        return received


def statuses(received: bytes) -> list[int]:
    return [int(answer.split()[0]) for answer in received.split(b"HTTP/1.1 ")[1:]]


@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS)
@pytest.mark.parametrize("split", range(0, 90, 7))
def test_upgrade_offer(
    instance: Instance, rows: Rows, student: str, offer: bytes, split: int
) -> None:
    """An offer to upgrade is ignored, wherever a packet ends."""
    request = post(body_of(student), offer)
    start = request.index(HOST) + len(HOST) + split

    received = exchange(instance, (request[:start], request[start:]))

    assert statuses(received) == [200]
    assert len(rows(student)) == 1


def test_request_in_body(instance: Instance, rows: Rows, student: str) -> None:
    """A request in the body of another is not executed."""
    received = exchange(instance, [post(post(body_of(student)), OFFER)])

    assert statuses(received) == [400]
    assert b'"INVALID_REQUEST"' in received
    assert rows(student) == []


def test_upgrade_in_body(instance: Instance, rows: Rows, student: str) -> None:
    """A body that contains upgrade headers is not changed."""
    request = post(body_of(student, message="x") + b"\r\nUpgrade: h2c\r\n")
    assert statuses(exchange(instance, [request])) == [400]

    text = "a\u2028 Upgrade: h2c"
    assert statuses(exchange(instance, [post(body_of(student, message=text), OFFER)])) == [200]
    assert [row["message"] for row in rows(student)] == [text]


@pytest.mark.parametrize("packet", [1, 50, 10_000])
def test_trailers(instance: Instance, rows: Rows, student: str, packet: int) -> None:
    """Trailers are not read as headers."""
    trailers = b"Idempotency-Key: k\r\nX-Request-Id: from-trailer\r\n"
    request = chunked(student, trailers)
    packets = [request[start : start + packet] for start in range(0, len(request), packet)]

    for _ in range(2):
        received = exchange(instance, packets)
        assert statuses(received) == [200]
        assert b"from-trailer" not in received
        assert b"idempotency-replayed" not in received.lower()

    assert len(rows(student)) == 2


@pytest.mark.parametrize("offer", [b"", OFFER], ids=["without an offer", "with an offer"])
def test_pipelining(instance: Instance, rows: Rows, student: str, offer: bytes) -> None:
    """The bytes after a chunked body are the next request."""
    request = chunked(student, b"X-Trailer: 1\r\n", offer)

    received = exchange(instance, [request * 3], answers=3)

    assert statuses(received) == [200, 200, 200]
    assert len(rows(student)) == 3


@pytest.mark.parametrize("name", OFFERS)
def test_offer_without_body(instance: Instance, name: str) -> None:
    """An offer of another protocol is ignored."""
    received = instance.raw(b"GET /health/startup HTTP/1.1\r\nHost: x\r\n" + OFFERS[name] + b"\r\n")
    assert statuses(received) == [200]


def test_half_close(instance: Instance, rows: Rows, student: str) -> None:
    """A client that half-closes its connection gets all answers."""
    for count in (1, 3):
        received = instance.raw(post(body_of(student)) * count)
        assert statuses(received) == [200] * count
    assert len(rows(student)) == 4


@pytest.mark.parametrize("length", [0, 20, -1])
def test_half_close_in_request(instance: Instance, length: int) -> None:
    """A client that half-closes in the middle of a request is disconnected."""
    assert statuses(instance.raw(post(body_of("x"))[:length])) in ([], [400])


@pytest.mark.parametrize("rest", [b"", b"x\r\n"], ids=["end", "wrong chunk"])
def test_end_in_body(instance: Instance, student: str, rest: bytes) -> None:
    """A request ends when the rest of its body can't come any more."""
    request = chunked(student, b"", b"X-Request-Id: %b\r\n" % student.encode())

    assert statuses(instance.raw(request[: request.index(b"\r\n0\r\n")] + rest)) in ([], [400])

    def found() -> list[int]:
        return [one["status"] for one in instance.events() if one.get("request_id") == student]

    wait_until(lambda: found() != [])
    assert found() == [499]


def test_closed_connections(instance: Instance) -> None:
    """Connections that clients have closed free their descriptors."""
    before = descriptors(instance)
    for _ in range(50):
        instance.get("/health/startup")

    wait_until(lambda: descriptors(instance) < before + 25)


def descriptors(instance: Instance) -> int:
    processes = [instance.process.pid, *children(instance.process.pid)]
    return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in processes)


def children(pid: int) -> list[int]:
    return [process.pid for process in psutil.Process(pid).children(recursive=True)]


@pytest.mark.parametrize("empty", [b"\r\n", b"\r\n\r\n\n"], ids=ascii)
def test_empty_lines(instance: Instance, rows: Rows, student: str, empty: bytes) -> None:
    """Empty lines before requests are ignored: old clients send one after a body."""
    request = empty + post(body_of(student))

    assert statuses(exchange(instance, [request * 3], answers=3)) == [200, 200, 200]
    single = [request[place : place + 1] for place in range(len(request))]
    assert statuses(exchange(instance, single)) == [200]
    assert len(rows(student)) == 4


@pytest.mark.parametrize("more", [b"\r\n", b"nonsense", post(b"{}")], ids=["CRLF", "bytes", "POST"])
def test_behind_the_last_request(instance: Instance, rows: Rows, student: str, more: bytes) -> None:
    """What comes behind `Connection: close` is ignored, and the request gets its own answer."""
    request = post(body_of(student), b"Connection: close\r\n")

    assert statuses(instance.raw(request + more)) == [200]
    assert len(rows(student)) == 1


REFUSED = {
    "no Host": (b"GET /health/startup HTTP/1.1\r\n\r\n", 400),
    "two Hosts": (b"GET /health/startup HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    "HTTP/2.0": (b"GET /health/startup HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 400),
    "gzip, chunked": (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        501,
    ),
    "chunked, then identity": (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        400,
    ),
    "chunked and a length": (
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
            b"Content-Length: 1\r\n\r\n0\r\n\r\n"
        ),
        400,
    ),
    "two lengths": (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n12345",
        400,
    ),
    "bare LF": (b"GET /health/startup HTTP/1.1\nHost: a\n\n", 400),
    "a space before the colon": (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
    "an invalid chunk size": (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\n1\r\n0\r\n\r\n",
        400,
    ),
    "CONNECT": (b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", 400),
}


# h11 accepts every method, and a bare LF as a line end, as RFC 9112, section 2.2 allows.
BY_HYPERCORN = {
    "HTTP/2": [505],
    "chunked, then identity": [501],
    "bare LF": [200, 200],
    "CONNECT": [404, 200],
}


@pytest.mark.parametrize(("more", "status"), [(b"", 404), (b"Content-Length: 1\r\n", 400)])
def test_body_that_is_not_read(instance: Instance, more: bytes, status: int) -> None:
    """A connection ends for a client that has sent more parts than the host keeps."""
    head = b"POST /nothing HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + HOST + more

    received = instance.raw(head + b"\r\n" + b"1\r\nx\r\n" * 100 + b"0\r\n\r\n")

    assert statuses(received) == [status]


@pytest.mark.parametrize("name", REFUSED)
def test_ambiguous_requests(host: str, instance: Instance, name: str) -> None:
    """A request that a proxy could read differently is refused, and the connection closed."""
    request, status = REFUSED[name]
    received = instance.raw(request + b"GET /health/liveness HTTP/1.1\r\nHost: a\r\n\r\n")

    if host == "knative" and name in BY_HYPERCORN:
        assert statuses(received) == BY_HYPERCORN[name]
    else:
        assert statuses(received) == [status]
        assert b"\r\nconnection: close\r\n" in received.lower()


@pytest.mark.parametrize(
    ("target", "status"),
    [("http://x", 405), ("HTTP://x:80/health/startup", 200), ("http://x/nothing?a=/b", 404)],
)
def test_absolute_form(instance: Instance, target: str, status: int) -> None:
    """A target in absolute form is read as its path."""
    received = instance.raw(b"GET %b HTTP/1.0\r\nHost: x\r\n\r\n" % target.encode())

    assert int(received.split()[1]) == status
