"""What a URL demands of the connection is there, or no password goes out."""

import socket
import ssl
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme

from function.settings import load
from function.store.connection import connect
from function.store.driver import InterfaceError, Session
from tests.events.pair import copy


def opened(url: str) -> Session:
    return connect(load({"DATABASE_URL": url}).postgres, 5)


@contextmanager
def tls_in_front_of(server_url: str, folder: Path, protocols: list[str]) -> Iterator[str]:
    """A TLS server, which passes on to PostgreSQL what comes; its URL without a query."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "root.crt"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    context.set_alpn_protocols(protocols)
    target = urlsplit(server_url)

    def serve(listener: socket.socket) -> None:
        with suppress(OSError), ThreadPoolExecutor(8) as pool:
            while True:
                pool.submit(pass_on, listener.accept()[0])

    def pass_on(raw: socket.socket) -> None:
        with (
            raw,
            suppress(OSError),
            context.wrap_socket(raw, server_side=True) as client,
            socket.create_connection((target.hostname, target.port)) as server,
            ThreadPoolExecutor(1) as pool,
        ):
            pool.submit(copy, server, client)
            copy(client, server)

    with socket.create_server(("localhost", 0)) as listener, ThreadPoolExecutor(1) as pool:
        pool.submit(serve, listener)
        try:
            port = listener.getsockname()[1]
            yield f"postgresql://{target.username}@localhost:{port}{target.path}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)


def test_direct_negotiation(server_url: str, tmp_path: Path) -> None:
    """TLS begins with the first byte, and the server must agree to PostgreSQL's protocol."""
    query = f"sslmode=verify-full&sslrootcert={tmp_path / 'root.crt'}&sslnegotiation=direct"
    with (
        tls_in_front_of(server_url, tmp_path, ["postgresql"]) as url,
        closing(opened(f"{url}?{query}")) as session,
    ):
        assert session.encrypted
        assert session.run("SELECT 42") == [[42]]


def test_direct_negotiation_with_a_server_of_another_protocol(
    server_url: str, tmp_path: Path
) -> None:
    """Nothing of PostgreSQL's protocol is sent to it."""
    query = "sslmode=require&sslnegotiation=direct"
    with (
        tls_in_front_of(server_url, tmp_path, ["http/1.1"]) as url,
        pytest.raises(OSError, match=r"sslnegotiation=direct|(?i:no.application.protocol)"),
    ):
        opened(f"{url}?{query}")


AUTHENTICATION = {"none": 0, "a password in the clear": 3, "MD5": 5, "SCRAM without TLS": 10}


@pytest.mark.parametrize("code", AUTHENTICATION.values(), ids=AUTHENTICATION)
def test_channel_binding_is_demanded_before_a_password_goes_out(code: int) -> None:
    """A server that offers anything else hears nothing more."""
    mechanisms = b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0" if code == 10 else b"salt"
    offer = struct.pack("!cii", b"R", 8 + len(mechanisms), code) + mechanisms
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        server = pool.submit(_offer, listener, offer)
        url = f"postgresql://u:s3cret@127.0.0.1:{listener.getsockname()[1]}/d"
        with pytest.raises(InterfaceError, match="channel_binding=require"):
            opened(f"{url}?sslmode=disable&channel_binding=require")
        assert server.result() in (b"", b"X\0\0\0\4")  # at most a goodbye


def _offer(listener: socket.socket, offer: bytes) -> bytes:
    """Make the offer, and return what the client says to it."""
    with listener.accept()[0] as client:
        client.recv(65536)
        client.sendall(offer)
        return client.recv(65536)


@pytest.mark.parametrize("code", [3, 5], ids=["a password in the clear", "MD5"])
def test_channel_binding_is_demanded_to_the_end(tmp_path: Path, code: int) -> None:
    """A server that begins with SCRAM-SHA-256-PLUS, and then asks for less, gets no password."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with socket.create_server(("localhost", 0)) as listener, ThreadPoolExecutor(1) as pool:
        server = pool.submit(_change_its_mind, listener, context, code)
        url = f"postgresql://u:s3cret@localhost:{listener.getsockname()[1]}/d"
        with pytest.raises(InterfaceError, match="channel_binding=require"):
            opened(f"{url}?sslmode=require&channel_binding=require")
        assert b"s3cret" not in server.result()
        assert server.result() in (b"", b"X\0\0\0\4")


def _change_its_mind(listener: socket.socket, context: ssl.SSLContext, code: int) -> bytes:
    """Offer SCRAM, then ask for something else; return what the client says to that."""
    raw = listener.accept()[0]
    raw.recv(8)
    raw.sendall(b"S")
    with context.wrap_socket(raw, server_side=True) as client:
        client.recv(65536)
        offer = b"SCRAM-SHA-256-PLUS\0\0"
        client.sendall(struct.pack("!cii", b"R", 8 + len(offer), 10) + offer)
        client.recv(65536)
        client.sendall(struct.pack("!cii", b"R", 12, code) + b"salt")
        return client.recv(65536)
