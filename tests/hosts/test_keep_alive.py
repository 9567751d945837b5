"""Idle connections stay open longer than those of proxies, and end in an orderly way."""

import json
import socket
import time
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.instance import FEEDBACK, PATH, Instance, running

BODY = json.dumps(FEEDBACK).encode()


def test_idle_connection(instance: Instance) -> None:
    """A connection stays open over some idle seconds."""
    with closing(HTTPConnection("127.0.0.1", instance.port, timeout=60)) as connection:
        connection.request("POST", PATH, BODY)
        assert connection.getresponse().read()
        same = connection.sock
        time.sleep(8)  # servers' defaults are 2 and 5 seconds
        connection.request("POST", PATH, BODY)
        assert connection.getresponse().status == 200
        assert connection.sock is same


def test_an_idle_connection_ends(host: str, feedback_database: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with running(log, feedback_database, host, KEEP_ALIVE_TIMEOUT="1") as function:
        function.wait_until_ready()
        with socket.create_connection(("127.0.0.1", function.port), 60) as client:
            client.sendall(b"GET /health/startup HTTP/1.1\r\nHost: x\r\n\r\n")
            received = b""
            while part := client.recv(65536):
                received += part

    assert received.endswith(b'{"status": "started"}')


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_connection_close(instance: Instance, method: str) -> None:
    """A request that asks for it ends its connection, also without a body."""
    with socket.create_connection(("127.0.0.1", instance.port), 60) as client:
        head = f"{method} /health/startup HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        client.sendall(head.encode())
        received = b""
        while part := client.recv(65536):
            received += part
    assert b"\r\nconnection: close\r\n" in received.lower()
