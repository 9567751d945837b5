"""The HTTP session of the export."""

import gzip
import ssl
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
import trustme

from dev.http_server import Request, serving
from function.telemetry.session import Session

BOMB = gzip.compress(bytes(100_000_000), 1)


@contextmanager
def answering(
    body: bytes = b"{}", tls: ssl.SSLContext | None = None
) -> Iterator[tuple[str, set[int]]]:
    """Answer each request with the body; yield the URL and the ports of the clients."""
    clients: set[int] = set()

    def respond(request: Request) -> None:
        clients.add(request.client_address[1])
        request.body()
        request.answer(200, body, {"Content-Encoding": "gzip"} if body is BOMB else {})

    with serving(respond, version="HTTP/1.1", tls=tls) as port:
        yield f"http{'s' if tls else ''}://localhost:{port}", clients


def test_certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The session's own has precedence; without one, that of the environment applies."""
    own, other = trustme.CA(), trustme.CA()
    own.cert_pem.write_to_path(str(tmp_path / "own.pem"))
    other.cert_pem.write_to_path(str(tmp_path / "other.pem"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.issue_cert("localhost").configure_cert(tls)
    with answering(tls=tls) as (url, _), Session() as session:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "other.pem"))
        session.verify = str(tmp_path / "own.pem")
        assert session.post(url, b"x", timeout=60).status_code == 200
        session.verify = True
        with pytest.raises(requests.exceptions.SSLError):
            session.post(url, b"x", timeout=60)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "own.pem"))
        assert session.post(url, b"x", timeout=60).status_code == 200


def test_large_answer() -> None:
    """It is not decompressed."""
    with answering(BOMB) as (url, _), Session() as session:
        tracemalloc.start()
        try:
            assert session.post(url, b"x", timeout=60).status_code == 200
            assert tracemalloc.get_traced_memory()[1] < 20_000_000
        finally:
            tracemalloc.stop()


def test_connection() -> None:
    """It is used again."""
    with answering() as (url, clients), Session() as session:
        for _ in range(3):
            session.post(url, b"x", timeout=60)
    assert len(clients) == 1
