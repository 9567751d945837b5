"""A body over 64 KiB is refused while it is read, with or without a Content-Length."""

import http.client
import json
import select
import socket
from contextlib import closing, suppress

import pytest

from tests.instance import FEEDBACK, PATH, Instance

LIMIT = 64 * 1024
# Without "Connection: close": hypercorn would close at once, and the kernel would reset the
# connection because of the unread body, so that the refusal could be lost.
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
def test_limit(instance: Instance, transfer: str, size: int, expected: int) -> None:
    """A body of exactly 64 KiB is accepted; one more byte is refused with 413."""
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
    with suppress(ConnectionError):  # it closed while we sent, but its answer is still there
        while sent < len(request) and not select.select([client], [], [], 0)[0]:
            if select.select([client], [client], [], 30)[1]:
                sent += client.send(request[sent : sent + LIMIT])
    received = client.recv(65536)
    while b"}" not in received:
        received += client.recv(65536)
    return received, sent


def test_endless_body(instance: Instance) -> None:
    """An endless body is refused before 8 MB of it are sent."""
    endless = chunked(b"x" * 10_000_000, 16_384)
    request = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + endless

    with socket.create_connection(("127.0.0.1", instance.port), 30) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LIMIT)
        received, sent = exchange(client, request)

    assert status(received) == 413
    assert sent < 8_000_000


def test_client_reads_last(host: str, instance: Instance) -> None:
    """A client that sends its whole body before it reads gets the refusal."""
    if host == "knative":
        pytest.skip("hypercorn closes at once")
    request = HEAD + b"Connection: close\r\nContent-Length: 5000000\r\n\r\n" + b"x" * 5_000_000
    assert status(instance.raw(request)) == 413


def test_client_stops_sending(instance: Instance) -> None:
    """A client that stops in the middle of a body over the limit also gets 413."""
    request = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(b"x" * 80_000, 16_000)[:-5]

    with socket.create_connection(("127.0.0.1", instance.port), 30) as client:
        received, _ = exchange(client, request)

    assert status(received) == 413


@pytest.mark.parametrize("expect", [b"", b"Expect: 100-continue\r\n"])
def test_content_length_over_limit(instance: Instance, expect: bytes) -> None:
    """A Content-Length over the limit is refused before any of the body arrives."""
    with socket.create_connection(("127.0.0.1", instance.port), 30) as client:
        request = HEAD + expect + b"Content-Length: %d\r\n\r\n" % (LIMIT + 1)
        received, _ = exchange(client, request)

    assert status(received) == 413
    assert b'"code": "PAYLOAD_TOO_LARGE"' in received


def test_expect_continue(instance: Instance) -> None:
    """A client that waits for 100 Continue gets it, and then its answer."""
    body = padded(LIMIT)
    with socket.create_connection(("127.0.0.1", instance.port), 30) as client:
        client.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % LIMIT)
        assert client.recv(65536).startswith(b"HTTP/1.1 100 ")
        client.sendall(body)
        received, _ = exchange(client, b"")

    assert status(received) == 200


def test_connection_after_413(host: str, instance: Instance) -> None:
    """After 413 the connection still works, or the answer says that it closes."""
    with closing(http.client.HTTPConnection("127.0.0.1", instance.port, timeout=30)) as connection:
        refused, closes = post(connection, LIMIT + 1)
        if closes:
            connection.close()
        try:
            accepted, _ = post(connection, LIMIT)
        except ConnectionError:
            # hypercorn closes without a header unless it had the whole body when it answered.
            assert host == "knative"
            connection.close()
            accepted, _ = post(connection, LIMIT)

    assert (refused, accepted) == (413, 200)


def post(connection: http.client.HTTPConnection, size: int) -> tuple[int, bool]:
    """Return the status, and whether the answer says that the connection closes."""
    connection.request("POST", PATH, padded(size))
    answer = connection.getresponse()
    answer.read()
    return answer.status, answer.getheader("connection", "").lower() == "close"
