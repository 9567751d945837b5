"""No client takes more of an instance than its share: bytes, time, connections.

The process itself is looked at: its memory, its descriptors, its open connections.
"""

import json
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPResponse
from pathlib import Path

import psutil
import pytest

from tests.instance import FEEDBACK, PATH, Instance, running
from tests.waiting import wait_until

MIB = 1024 * 1024
BODY = json.dumps(FEEDBACK).encode()
POST = b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (
    PATH.encode(),
    len(BODY),
    BODY,
)

LIMITED = ("prlimit", "--nofile=256")
RAISABLE = ("prlimit", "--nofile=64:256")


def memory(instance: Instance) -> int:
    """The resident bytes of all processes."""
    parent = psutil.Process(instance.process.pid)
    return sum(one.memory_info().rss for one in [parent, *parent.children(recursive=True)])


@contextmanager
def connections(
    instance: Instance, number: int, first: bytes = b""
) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        clients = []
        for _ in range(number):
            clients.append(client := stack.enter_context(socket.socket()))
            client.settimeout(60)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            client.connect(("127.0.0.1", instance.port))
            client.sendall(first)
        yield clients


def is_open(client: socket.socket) -> bool:
    """Whether the other end has not closed; what it said before is dropped."""
    client.setblocking(False)
    try:
        return client.recv(65536) != b"" and is_open(client)
    except BlockingIOError:
        return True
    except ConnectionError:
        return False


def test_unread_answers(instance: Instance) -> None:
    """Answers that the client does not read take no memory."""
    before = memory(instance)
    with connections(instance, 1) as [client]:
        client.settimeout(2)
        with suppress(TimeoutError):
            for _ in range(3000):
                client.sendall(POST * 100)
        assert memory(instance) - before < 64 * MIB
    assert instance.get("/health/startup").status == 200


@pytest.mark.parametrize(
    "head",
    [
        b"X-Long: " + b"x" * 66_000,
        b"\r\n".join(b"X-%d: x" % number for number in range(101)),
        b"Cookie: " + b"\r\nCookie: ".join(b"x" * 1000 for _ in range(67)),
    ],
    ids=["one header", "101 headers", "67 headers of 1,000 bytes"],
)
@pytest.mark.parametrize("packet", [1 << 20, 1000])
def test_too_large_head(instance: Instance, head: bytes, packet: int) -> None:
    """A head has at most 64 KiB and 100 headers."""
    data = b"GET /health/startup HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\n"
    with connections(instance, 1) as [client]:
        with suppress(ConnectionError):
            for start in range(0, len(data), packet):
                client.sendall(data[start : start + packet])
        answer = HTTPResponse(client)
        answer.begin()
        body = json.load(answer)

    assert answer.status == 431
    assert body["code"] == "HEADERS_TOO_LARGE"


def test_largest_head(instance: Instance) -> None:
    """A head at both limits is accepted."""
    start = b"GET /health/startup HTTP/1.0\r\nHost: x\r\n"
    many = b"".join(b"X-%d: x\r\n" % number for number in range(99))
    long = b"X-Long: " + b"x" * (64 * 1024 - len(start) - len(many) - len(b"X-Long: \r\n\r\n"))
    head = start + many.removesuffix(b"X-98: x\r\n") + long
    for data in (start + many + b"\r\n", head[: 64 * 1024 - 4] + b"\r\n\r\n"):
        assert instance.raw(data).split()[1] == b"200"


def test_endless_head(instance: Instance) -> None:
    """A head without an end takes no memory."""
    before = memory(instance)
    with connections(instance, 1, b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: ") as [client]:
        with suppress(ConnectionError):
            for _ in range(60):
                client.sendall(b"x" * MIB)
        assert memory(instance) - before < 32 * MIB
        wait_until(lambda: not is_open(client))


def test_unfinished_bodies(instance: Instance) -> None:
    """Large bodies of many clients leave room for small ones, and are read again afterwards."""
    largest = BODY.ljust(64 * 1024)
    unfinished = POST.replace(b"gth: %d" % len(BODY), b"gth: 65536") + b" " * 65_000
    with connections(instance, 400, unfinished):
        wait_until(lambda: instance.request("POST", PATH, largest).status == 503)
        assert instance.post().status == 200
    wait_until(lambda: instance.request("POST", PATH, largest).status == 200)


def test_unfinished_heads(host: str, instance: Instance) -> None:
    """Large heads of many clients leave room for small ones, and are read again afterwards."""
    if host == "knative":
        pytest.skip("hypercorn reads them before any code of the function")
    large = {"X-Long": "x" * 60_000}
    with connections(instance, 400, b"GET / HTTP/1.1\r\nX-Long: " + b"x" * 60_000):
        wait_until(lambda: instance.get("/health/startup", **large).status == 503)
        assert instance.get("/health/startup").status == 200
    wait_until(lambda: instance.get("/health/startup", **large).status == 200)


SLOW = {
    "silent": b"",
    "in a head": b"GET / HTTP/1.1\r\nX: ",
    "in a body": POST[:-1],
    "in a body that was refused": POST.replace(b"gth: ", b"gth: 99999") + b" " * 1000,
}


def test_slow_clients(instance: Instance) -> None:
    """Clients that send too slowly are disconnected."""
    with ExitStack() as stack:
        clients = {
            name: stack.enter_context(connections(instance, 1, sent))[0]
            for name, sent in SLOW.items()
        }

        def all_have_gone() -> bool:
            for name in [name for name in clients if name != "silent"]:
                with suppress(ConnectionError):
                    clients[name].send(b" ")
            for name in [name for name, client in clients.items() if not is_open(client)]:
                del clients[name]
            return not clients

        wait_until(all_have_gone)


def test_unread_file(host: str, instance: Instance) -> None:
    """Clients that do not read a file are disconnected."""
    before = memory(instance)
    request = b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n"
    with connections(instance, 200, request):
        assert instance.get("/health/startup").status == 200
        assert memory(instance) - before < 25 * MIB
        if host != "knative":  # its environment has no page
            wait_until(lambda: not connected(instance), timeout=60)


def connected(instance: Instance) -> int:
    """How many connections the instance has with clients."""
    parent = psutil.Process(instance.process.pid)
    processes = [parent, *parent.children(recursive=True)]
    found = [one for process in processes for one in process.net_connections("tcp")]
    return sum(one.laddr.port == instance.port and bool(one.raddr) for one in found)


def test_idle_connections(host: str, feedback_database: str, tmp_path: Path) -> None:
    """Idle connections leave descriptors for probes and feedback."""
    with running(tmp_path / "log", feedback_database, host, prefix=LIMITED) as function:
        function.wait_until_ready()
        with connections(function, 600, POST[:20]):
            for _ in range(20):
                assert function.get("/health/ready").status == 200
                assert function.post().status == 200
            assert connected(function) <= 200


def test_descriptor_limit(host: str, feedback_database: str, tmp_path: Path) -> None:
    """The function raises its limit of descriptors to the hard limit."""
    with running(tmp_path / "log", feedback_database, host, prefix=RAISABLE) as function:
        function.wait_until_ready()
        processes = [psutil.Process(function.process.pid)]
        processes += processes[0].children(recursive=True)

        assert all(one.rlimit(resource.RLIMIT_NOFILE) == (256, 256) for one in processes)
