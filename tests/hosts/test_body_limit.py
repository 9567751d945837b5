"""A body over 64 KiB is refused while it is read, whether or not its length is announced."""

import http.client
import json
import select
import socket
from contextlib import closing, suppress

import pytest

from tests.instance import FEEDBACK, PATH, Instance

LIMIT = 64 * 1024
# Without "Connection: close": hypercorn would close at once, and what it has not read of the
# body makes the kernel reset the connection, so that the refusal may be lost on its way.
HEAD = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\n".encode()


def padded(size: int) -> bytes:
    return json.dumps(FEEDBACK).encode().ljust(size)


def chunked(body: bytes, size: int) -> bytes:
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in [*parts, b""])


def status(received: bytes) -> int:
    """The status of the last answer; an earlier one is 100 Continue."""
    return int(received[received.rindex(b"HTTP/1.1 ") :].split()[1])


@pytest.mark.parametrize(("size", "expected"), [(LIMIT, 200), (LIMIT + 1, 413), (10 * LIMIT, 413)])
@pytest.mark.parametrize("transfer", ["with a length", "in one chunk", "in small chunks"])
def test_the_limit_is_64_kib_to_the_byte(
    instance: Instance, transfer: str, size: int, expected: int
) -> None:
    body = padded(size)
    if transfer == "with a length":
        request = HEAD + b"Content-Length: %d\r\n\r\n%b" % (size, body)
    else:
        part = size if transfer == "in one chunk" else 1000
        request = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(body, part)

    with socket.create_connection(("127.0.0.1", instance.port), 30) as client:
        received, _ = exchange(client, request)

    assert status(received) == expected
    if expected == 413:
        assert b'"code": "PAYLOAD_TOO_LARGE"' in received


def exchange(client: socket.socket, request: bytes) -> tuple[bytes, int]:
    """Send until an answer begins, as curl does; return the answer and how much was sent."""
    sent = 0
    with suppress(ConnectionError):  # it closed while we sent: what it said before is still there
        while sent < len(request) and not select.select([client], [], [], 0)[0]:
            if select.select([client], [client], [], 30)[1]:
                sent += client.send(request[sent : sent + LIMIT])
    received = client.recv(65536)
    while b"}" not in received:
        received += client.recv(65536)
    return received, sent


def test_an_endless_body_is_refused_long_before_its_end(instance: Instance) -> None:
    endless = chunked(b"x" * 10_000_000, 16_384)
    request = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + endless

    with socket.create_connection(("127.0.0.1", instance.port), 30) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LIMIT)
        received, sent = exchange(client, request)

    assert status(received) == 413
    assert sent < 8_000_000


def test_a_client_that_sends_all_before_it_reads_gets_the_refusal(
    host: str, instance: Instance
) -> None:
    """Also if the connection ends after it."""
    if host == "knative":
        pytest.skip("hypercorn closes at once")
    request = HEAD + b"Connection: close\r\nContent-Length: 5000000\r\n\r\n" + b"x" * 5_000_000
    assert status(instance.raw(request)) == 413


def test_a_client_that_stops_sending_gets_the_refusal_too(instance: Instance) -> None:
    request = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(b"x" * 80_000, 16_000)[:-5]

    with socket.create_connection(("127.0.0.1", instance.port), 30) as client:
        received, _ = exchange(client, request)

    assert status(received) == 413


@pytest.mark.parametrize("expect", [b"", b"Expect: 100-continue\r\n"])
def test_an_announced_length_is_refused_before_the_body_comes(
    instance: Instance, expect: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", instance.port), 30) as client:
        request = HEAD + expect + b"Content-Length: %d\r\n\r\n" % (LIMIT + 1)
        received, _ = exchange(client, request)

    assert status(received) == 413
    assert b'"code": "PAYLOAD_TOO_LARGE"' in received


def test_a_client_may_wait_for_100_continue(instance: Instance) -> None:
    body = padded(LIMIT)
    with socket.create_connection(("127.0.0.1", instance.port), 30) as client:
        client.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % LIMIT)
        assert client.recv(65536).startswith(b"HTTP/1.1 100 ")
        client.sendall(body)
        received, _ = exchange(client, b"")

    assert status(received) == 200


def test_after_a_refusal_the_connection_goes_on_or_says_that_it_closes(
    host: str, instance: Instance
) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", instance.port, timeout=30)) as connection:
        refused, closes = post(connection, LIMIT + 1)
        if closes:
            connection.close()
        try:
            accepted, _ = post(connection, LIMIT)
        except ConnectionError:
            # hypercorn closes it without a word, unless all of the body was there when it answered.
            assert host == "knative"
            connection.close()
            accepted, _ = post(connection, LIMIT)

    assert (refused, accepted) == (413, 200)


def post(connection: http.client.HTTPConnection, size: int) -> tuple[int, bool]:
    """The status, and whether the answer says that the connection closes."""
    connection.request("POST", PATH, padded(size))
    answer = connection.getresponse()
    answer.read()
    return answer.status, answer.getheader("connection", "").lower() == "close"
