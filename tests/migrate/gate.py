"""A port that opens late, as that of a server that is still starting."""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

from tests.migrate.job import address


@contextmanager
def gate(url: str, opens_after: float, refusals: list[tuple[str, str]]) -> Iterator[str]:
    """A port before the server: shut at first, then it answers with `refusals`, then lets pass."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        opening = threading.Timer(opens_after, _open_gate, (listener, url, refusals))
        opening.start()
        server = f"127.0.0.1:{listener.getsockname()[1]}"
        yield urlsplit(address(url, server=server))._replace(query="sslmode=disable").geturl()
        opening.cancel()
        with suppress(OSError):  # it never opened
            listener.shutdown(socket.SHUT_RDWR)
    opening.join()


def _open_gate(listener: socket.socket, url: str, refusals: list[tuple[str, str]]) -> None:
    parts = urlsplit(url)
    listener.listen()
    with suppress(OSError):  # the test is over
        for state, text in refusals:
            with listener.accept()[0] as client:
                client.recv(4096)
                fields = f"SFATAL\0VFATAL\0C{state}\0M{text}\0\0".encode()
                client.sendall(b"E" + (len(fields) + 4).to_bytes(4, "big") + fields)
        with (
            listener.accept()[0] as client,
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
