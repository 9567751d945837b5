"""The container listens on all addresses, of IPv4 and of IPv6."""

import socket
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.hosts.conftest import on_uvicorn
from tests.instance import Instance, running

NO_IPV6 = """
import errno, socket
def create(*arguments, **options):
    raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
socket.create_server = create
"""

pytestmark = on_uvicorn


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="needs IPv6")
def test_ipv6(instance: Instance) -> None:
    """A probe of a pod that has only an address of IPv6 is answered."""
    with closing(HTTPConnection("::1", instance.port, timeout=60)) as connection:
        connection.request("GET", "/health/liveness")
        assert connection.getresponse().status == 200


def test_without_ipv6(host: str, hosts_database: str, tmp_path: Path) -> None:
    """Where the kernel has no IPv6, requests over IPv4 are answered."""
    (tmp_path / "sitecustomize.py").write_text(NO_IPV6)
    with running(tmp_path / "log", hosts_database, host, PYTHONPATH=str(tmp_path)) as function:
        assert function.wait_until_ready().post().status == 200
