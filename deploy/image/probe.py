"""The image's health check: exit with 1 unless the function in this container answers 200.

    python -IS probe.py /health/liveness

It runs every few seconds, so it uses plain sockets and no `site`: importing http.client alone takes
ten times as long as this program.
"""

import os
import socket
import sys

TIMEOUT = 3  # seconds; readiness answers within 2


def main(path: str) -> int:
    """Return the exit code: 0 when the function answers 200."""
    address = ("127.0.0.1", int(os.environ.get("PORT") or 8080))
    try:
        with socket.create_connection(address, TIMEOUT) as connection:
            connection.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            answer = connection.recv(64)
    except OSError as exc:
        print(exc, file=sys.stderr)
        return 1
    status = answer.partition(b"\r\n")[0].decode(errors="replace")
    print(status)
    return 0 if " 200 " in status else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
