"""The socket to PostgreSQL that pg8000 is handed, in TLS or not.

pg8000 leaves three things to its caller that matter here: TCP_NODELAY (a statement over 8 KB goes
out in two writes, and Nagle's algorithm with a delayed acknowledgement would hold the second one
back for 40 ms), a time limit for each address of a host, and libpq's sslmode.
"""

import socket
import ssl
import struct
import time
from typing import Any

from function.settings import PostgresSettings

# https://www.postgresql.org/docs/current/protocol-message-formats.html, SSLRequest
SSL_REQUEST = struct.pack("!ii", 8, 80877103)

Address = tuple[socket.AddressFamily, Any]


def find_addresses(settings: PostgresSettings) -> list[Address]:
    """Return all that the host's name stands for. Raises OSError."""
    if settings.host.startswith("/"):
        return [(socket.AF_UNIX, f"{settings.host}/.s.PGSQL.{settings.port}")]
    found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)
    return [(family, address) for family, _, _, _, address in found]


def open_socket(settings: PostgresSettings, address: Address, timeout: float) -> socket.socket:
    """Connect within `timeout` seconds, and speak TLS if sslmode says so.

    Each wait of the socket ends at the same moment, until another limit is set. Raises OSError, of
    which TimeoutError and ssl.SSLError are kinds, and ConnectionError, for a server that offers no
    TLS and must.
    """
    deadline = time.monotonic() + timeout
    family, place = address
    sock = socket.socket(family)
    try:
        sock.settimeout(timeout)
        sock.connect(place)
        if family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            _limit(sock, deadline)
            if settings.sslmode != "disable":
                sock = _start_tls(sock, settings)
        _limit(sock, deadline)
    except BaseException:
        sock.close()
        raise
    return sock


def _limit(sock: socket.socket, deadline: float) -> None:
    sock.settimeout(max(0.01, deadline - time.monotonic()))


def _start_tls(sock: socket.socket, settings: PostgresSettings) -> socket.socket:
    """Ask for TLS as libpq does; `prefer` goes on without it when the server has none."""
    sock.sendall(SSL_REQUEST)
    answer = sock.recv(1)
    if answer == b"S":
        return _ssl_context(settings).wrap_socket(sock, server_hostname=settings.host)
    if answer == b"N" and settings.sslmode == "prefer":
        return sock
    raise ConnectionError(f"the server offers no TLS, and sslmode={settings.sslmode} demands it")


def _ssl_context(settings: PostgresSettings) -> ssl.SSLContext:
    """https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-SSLMODE-STATEMENTS"""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = settings.sslmode == "verify-full"
    # libpq: "require" with a root certificate at hand verifies as "verify-ca" does.
    if settings.sslrootcert and settings.sslmode != "prefer":
        context.load_verify_locations(settings.sslrootcert)
    else:
        context.verify_mode = ssl.CERT_NONE
    if settings.sslcert:
        context.load_cert_chain(settings.sslcert, settings.sslkey)
    return context
