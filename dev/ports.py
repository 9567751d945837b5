"""Ports for servers that come back to them after a restart."""

import os
import socket
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

HOST = "127.0.0.1"


def candidates(folder: Path) -> Iterator[int]:
    """The ports to try, the same ones each time for a folder.

    They lie below those the kernel gives to outgoing connections: a client that keeps trying to
    reach a stopped server would sooner or later get that very port for itself, and hold it.
    """
    first = zlib.crc32(os.fsencode(folder))
    return (20000 + (first + 7919 * attempt) % 12000 for attempt in range(20))


def free(folder: Path, number: int) -> list[int]:
    """So many of a folder's ports that nobody listens on. Raises OSError when there are none."""
    found = list(islice(filter(_is_free, candidates(folder)), number))
    if len(found) < number:
        raise OSError(f"No port is free for {folder}")
    return found


def _is_free(port: int) -> bool:
    try:
        with socket.create_server((HOST, port)):
            return True
    except OSError:
        return False
