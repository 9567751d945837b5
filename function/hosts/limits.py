"""Limits of what one client, and all clients together, may use. docs/hosts.md lists them."""

import resource
import socket

from function.errors import BodyTimeout

HEAD_LIMIT = 64 * 1024  # bytes: request line, headers, and the trailers of a body
HEADER_LIMIT = 100  # headers
BODY_BUFFER = 64 * 1024  # bytes of a body that the application has not received
BODY_TIMEOUT = 10  # seconds; a body that stops must not delay the end of an instance
HEAD_TIMEOUT = 10  # seconds for a whole head, and for the rest of a body that was refused
WRITE_TIMEOUT = 15  # seconds in which a client takes nothing of its answer
AHEAD = 4 * 1024  # bytes of further requests, or of unsent answers; a client with more waits
SOCKET_BUFFER = 64 * 1024  # bytes in the kernel, for each direction of a connection
LINGER = 2  # seconds for a client to read a refusal before its connection is closed
BACKLOG = 4096  # connections that the kernel keeps until they are accepted
MOST_CONNECTIONS = 4096  # an idle one uses about 10 KB


def body_timeout() -> BodyTimeout:
    """Return the error that the application answers."""
    return BodyTimeout(f"the body did not come within {BODY_TIMEOUT} seconds")


def set_connection_limit() -> int:
    """Allow this process all descriptors that it may have; return how many connections it accepts.

    Half of the descriptors are left to listeners, files, PostgreSQL, and new connections.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return MOST_CONNECTIONS if hard == resource.RLIM_INFINITY else min(MOST_CONNECTIONS, hard // 2)


def bound_buffers(sock: socket.socket) -> None:
    """Have the kernel buffer little for a client that floods or does not read; else up to 10 MB."""
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        sock.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER)
