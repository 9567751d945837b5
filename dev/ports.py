"""Ports for servers that can't choose one themselves.

They are below those that the kernel gives to outgoing connections, because such a connection could
take a port before the server does. A client that keeps trying to reach a stopped server could even
get that very port for itself, and hold it.
"""

import os
import random
import socket
import zlib
from collections.abc import Iterator
from pathlib import Path

HOST = "127.0.0.1"
FIRST, COUNT = 20000, 12000


def usual_ports(folder: Path) -> Iterator[int]:
    """The ports to try, the same ones each time for a folder."""
    first = zlib.crc32(os.fsencode(folder))
    return (FIRST + (first + 7919 * attempt) % COUNT for attempt in range(20))


def free_port() -> int:
    """A random port on which no program listens."""
    while True:
        port = random.randrange(FIRST, FIRST + COUNT)  # noqa: S311 - no secret
        try:
            with socket.create_server((HOST, port)):
                return port
        except OSError:
            continue
