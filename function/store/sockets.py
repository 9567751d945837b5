"""Opens the socket that pg8000 is given, with TLS or without.

pg8000 does not set TCP_NODELAY: a statement over 8 KB is sent in two writes, and Nagle's algorithm
with delayed acknowledgement would hold back the second one for 40 ms. It also has no time limit
for each address of a host, and no sslmode.
"""

import socket
import ssl
import struct
import time
from typing import Any, NamedTuple

from function.postgres_settings import Host, PostgresSettings

# https://www.postgresql.org/docs/current/protocol-message-formats.html, SSLRequest
SSL_REQUEST = struct.pack("!ii", 8, 80877103)
OTHER_PROTOCOL = "the server's answer is not PostgreSQL's protocol"
ALPN = "postgresql"  # https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL


class Address(NamedTuple):
    """One of the addresses that a host's name stands for."""

    host: Host
    family: socket.AddressFamily
    place: Any


def find_addresses(settings: PostgresSettings) -> list[Address]:
    """Return the addresses of all hosts, in order. Raises OSError if no name has any."""
    found: list[Address] = []
    error: OSError | None = None
    for host in settings.hosts:
        try:
            found += _resolve(host)
        except OSError as exc:
            error = exc
    if error and not found:
        raise error
    return found


def _resolve(host: Host) -> list[Address]:
    if host.name.startswith("/"):
        return [Address(host, socket.AF_UNIX, f"{host.name}/.s.PGSQL.{host.port}")]
    found = socket.getaddrinfo(host.name, host.port, type=socket.SOCK_STREAM)
    return [Address(host, family, place) for family, _, _, _, place in found]


def open_socket(
    settings: PostgresSettings, address: Address, deadline: float, *, tls: bool
) -> socket.socket:
    """Connect, with TLS if the server has it or sslmode demands it, by `deadline` (monotonic).

    The socket's time limit is what remains then. Raises OSError, of which TimeoutError,
    ConnectionError and ssl.SSLError are kinds.
    """
    sock = socket.socket(address.family)
    try:
        _limit(sock, deadline)
        sock.connect(address.place)
        if address.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            _limit(sock, deadline)
            if tls:
                sock = _start_tls(sock, settings, address.host.name)
        _limit(sock, deadline)
    except BaseException:
        sock.close()
        raise
    return sock


def _limit(sock: socket.socket, deadline: float) -> None:
    sock.settimeout(max(0.01, deadline - time.monotonic()))


def _start_tls(sock: socket.socket, settings: PostgresSettings, host: str) -> socket.socket:
    """Negotiate TLS as libpq does; with `prefer`, go on without it if the server has none."""
    context = _ssl_context(settings)
    if settings.sslnegotiation == "direct":
        context.set_alpn_protocols([ALPN])
        secure = context.wrap_socket(sock, server_hostname=host)
        if secure.selected_alpn_protocol() == ALPN:
            return secure
        secure.close()
        raise ConnectionError("the server does not support sslnegotiation=direct")
    sock.sendall(SSL_REQUEST)
    answer = sock.recv(1)
    if answer == b"S":
        return context.wrap_socket(sock, server_hostname=host)
    if answer not in (b"", b"N"):
        raise ConnectionError(OTHER_PROTOCOL)
    if answer and settings.sslmode == "prefer":
        return sock
    raise ConnectionError(f"the server offers no TLS, but sslmode={settings.sslmode}")


def _ssl_context(settings: PostgresSettings) -> ssl.SSLContext:
    """https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-SSLMODE-STATEMENTS"""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = settings.sslmode == "verify-full"
    # libpq: "require" with a root certificate verifies as "verify-ca" does.
    if settings.sslrootcert == "system":
        context.load_default_certs()
    elif settings.sslrootcert and settings.sslmode not in ("allow", "prefer"):
        context.load_verify_locations(settings.sslrootcert)
    else:
        context.verify_mode = ssl.CERT_NONE
    if settings.sslcert:
        context.load_cert_chain(settings.sslcert, settings.sslkey, _refuse)
    return context


def _refuse() -> str:
    """Without this, OpenSSL asks on the terminal, and waits for somebody to type."""
    raise ConnectionError("PGSSLKEY is encrypted: decrypt it, with `openssl pkey`")
