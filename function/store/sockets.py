"""The socket to PostgreSQL that pg8000 is handed, in TLS or not.

pg8000 leaves three things to its caller that matter here: TCP_NODELAY (a statement over 8 KB goes
out in two writes, and Nagle's algorithm with a delayed acknowledgement would hold the second one
back for 40 ms), a time limit on the connect that is not the limit on a statement, and libpq's
sslmode.
"""

import socket
import ssl
import struct
import time

from function.postgres_settings import PostgresSettings

# https://www.postgresql.org/docs/current/protocol-message-formats.html, SSLRequest
SSL_REQUEST = struct.pack("!ii", 8, 80877103)


def open_socket(settings: PostgresSettings) -> socket.socket:
    """Connect, and speak TLS if sslmode says so.

    Raises OSError, of which TimeoutError and ssl.SSLError are kinds, and ConnectionError, for a
    server that offers no TLS and must.
    """
    deadline = time.monotonic() + settings.connect_timeout
    if settings.hosts[0].name.startswith("/"):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(settings.connect_timeout)
        sock.connect(f"{settings.hosts[0].name}/.s.PGSQL.{settings.hosts[0].port}")
        return sock
    sock = socket.create_connection(
        (settings.hosts[0].name, settings.hosts[0].port), settings.connect_timeout
    )
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.settimeout(max(0.1, deadline - time.monotonic()))
        return sock if settings.sslmode == "disable" else _start_tls(sock, settings)
    except BaseException:
        sock.close()
        raise


def _start_tls(sock: socket.socket, settings: PostgresSettings) -> socket.socket:
    """Ask for TLS as libpq does; `prefer` goes on without it when the server has none."""
    sock.sendall(SSL_REQUEST)
    answer = sock.recv(1)
    if answer == b"S":
        return _ssl_context(settings).wrap_socket(sock, server_hostname=settings.hosts[0].name)
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
