"""A port that opens late, as that of a server that is still starting."""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

from tests.migrate.job import address


@contextmanager
def gate(
    url: str, refusals: list[tuple[str, str]], opening: threading.Event | None = None
) -> Iterator[str]:
    """A port before the server: shut until `opening`, then `refusals`, then all may pass."""
    opening = opening or _at_once()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        keeper = threading.Thread(target=_open_gate, args=(opening, listener, url, refusals))
        keeper.start()
        server = f"127.0.0.1:{listener.getsockname()[1]}"
        yield urlsplit(address(url, server=server))._replace(query="sslmode=disable").geturl()
        with suppress(OSError):  # it never opened
            listener.shutdown(socket.SHUT_RDWR)
    opening.set()
    keeper.join()


def _at_once() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


def _open_gate(
    opening: threading.Event, listener: socket.socket, url: str, refusals: list[tuple[str, str]]
) -> None:
    opening.wait()
    with suppress(OSError):  # the test is over
        listener.listen()
        for state, text in refusals:
            with listener.accept()[0] as client:
                client.recv(4096)
                fields = f"SFATAL\0VFATAL\0C{state}\0M{text}\0\0".encode()
                client.sendall(b"E" + (len(fields) + 4).to_bytes(4, "big") + fields)
        while True:
            with listener.accept()[0] as client:
                _let_pass(client, url)


def _let_pass(client: socket.socket, url: str) -> None:
    parts = urlsplit(url)
    with (
        socket.create_connection((parts.hostname, parts.port or 5432)) as server,
        ThreadPoolExecutor(1) as pool,
    ):
        pool.submit(_copy, server, client)
        _copy(client, server)


def _copy(source: socket.socket, sink: socket.socket) -> None:
    while data := source.recv(65536):
        sink.sendall(data)
    sink.shutdown(socket.SHUT_WR)


# An empty database, and one that is up to date
