"""Simulates a name server that does not answer for one host; tests add it to PYTHONPATH."""

import socket
import time

_getaddrinfo = socket.getaddrinfo


def _hang(host: object, *arguments: object, **options: object) -> object:
    if host in ("hangs.test", b"hangs.test"):
        time.sleep(60)
        raise socket.gaierror(socket.EAI_AGAIN, "no answer")
    return _getaddrinfo(host, *arguments, **options)  # type: ignore[arg-type]


socket.getaddrinfo = _hang  # type: ignore[assignment]
