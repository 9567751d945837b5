"""The socket to PostgreSQL that pg8000 is handed, in TLS or not.

pg8000 leaves three things to its caller that matter here: TCP_NODELAY (a statement over 8 KB goes
out in two writes, and Nagle's algorithm with a delayed acknowledgement would hold the second one
back for 40 ms), a time limit for each address of a host, and libpq's sslmode.
"""

import socket
import ssl
import struct
import time
from typing import Any, NamedTuple

from function.postgres_settings import Host, PostgresSettings

# https://www.postgresql.org/docs/current/protocol-message-formats.html, SSLRequest
SSL_REQUEST = struct.pack("!ii", 8, 80877103)

ALPN = "postgresql"  # https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL


class Address(NamedTuple):
    """Where a server is: one of the addresses that a host's name stands for."""

    host: Host
    family: socket.AddressFamily
    place: Any


def find_addresses(settings: PostgresSettings) -> list[Address]:
    """Return the addresses of all hosts, in order. Raises OSError if no name stands for any."""
    found: list[Address] = []
    errors: list[OSError] = []
    for host in settings.hosts:
        try:
            found += _resolve(host)
        except OSError as exc:
            errors.append(exc)
    if not found:
        raise errors[0]
    return found


def _resolve(host: Host) -> list[Address]:
    if host.name.startswith("/"):
        return [Address(host, socket.AF_UNIX, f"{host.name}/.s.PGSQL.{host.port}")]
    found = socket.getaddrinfo(host.name, host.port, type=socket.SOCK_STREAM)
    return [Address(host, family, place) for family, _, _, _, place in found]


def open_socket(
    settings: PostgresSettings, address: Address, timeout: float, *, tls: bool
) -> socket.socket:
    """Connect within `timeout` seconds, and speak TLS if the server can or sslmode demands it.

    Each wait of the socket ends at the same moment, until another limit is set. Raises OSError, of
    which TimeoutError and ssl.SSLError are kinds, and ConnectionError, for a server that offers no
    TLS and must.
    """
    deadline = time.monotonic() + timeout
    sock = socket.socket(address.family)
    try:
        sock.settimeout(timeout)
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
    """Ask for TLS as libpq does; `prefer` goes on without it when the server has none."""
    context = _ssl_context(settings)
    if settings.sslnegotiation == "direct":
        context.set_alpn_protocols([ALPN])
        secure = context.wrap_socket(sock, server_hostname=host)
        if secure.selected_alpn_protocol() != ALPN:
            secure.close()
            raise ConnectionError("the server does not take sslnegotiation=direct")
        return secure
    sock.sendall(SSL_REQUEST)
    answer = sock.recv(1)
    if answer == b"S":
        return context.wrap_socket(sock, server_hostname=host)
    if answer == b"N" and settings.sslmode == "prefer":
        return sock
    if answer == b"N":
        raise ConnectionError(
            f"the server offers no TLS, and sslmode={settings.sslmode} demands it"
        )
    raise ConnectionError("what answers there is not PostgreSQL")


def _ssl_context(settings: PostgresSettings) -> ssl.SSLContext:
    """https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-SSLMODE-STATEMENTS"""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = settings.sslmode == "verify-full"
    # libpq: "require" with a root certificate at hand verifies as "verify-ca" does.
    if settings.sslrootcert == "system":
        context.load_default_certs()
    elif settings.sslrootcert and settings.sslmode not in ("allow", "prefer"):
        context.load_verify_locations(settings.sslrootcert)
    else:
        context.verify_mode = ssl.CERT_NONE
    if settings.sslcert:
        context.load_cert_chain(settings.sslcert, settings.sslkey)
    return context
