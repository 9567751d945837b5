"""Faults of the network between the function and PostgreSQL."""

import socket
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from dev.ports import HOST
from tests.chaos.deployment import Deployment, deployed, role_url, server
from tests.chaos.fault import Fault, Stage, prove
from tests.chaos.toxiproxy import Toxiproxy, proxied

BOTH = ("upstream", "downstream")
PROBE_LIMIT = 0.5  # seconds
IDLE = 1.0  # seconds
LATENCY = 150  # milliseconds in each direction
SLICE, SLICE_DELAY = 8, 1000  # bytes, microseconds
CUT = 4000  # bytes
STRIKE, PAUSE = 0.1, 0.3  # seconds
# https://www.postgresql.org/docs/current/protocol-message-formats.html, StartupMessage
STARTUP = b"user\0nobody\0\0"
HELLO = struct.pack("!ii", 8 + len(STARTUP), 3 << 16) + STARTUP


def probe(proxy: Toxiproxy) -> tuple[float, int]:
    """Ask PostgreSQL something; return the seconds until an answer, and its first bytes' number.

    Raises TimeoutError.
    """
    started = time.monotonic()
    with socket.create_connection((HOST, proxy.port), PROBE_LIMIT) as client:
        client.sendall(HELLO)
        size = len(client.recv(65536))
    return time.monotonic() - started, size


def resets(proxy: Toxiproxy, deployment: Deployment, hold: float) -> str:
    before = len(deployment.reasons())
    deadline = time.monotonic() + hold
    while time.monotonic() < deadline:
        with proxy.toxic("reset_peer", "downstream", timeout=0):
            time.sleep(STRIKE)
        time.sleep(PAUSE)
    return _lost_connections(deployment, before)


def half_open(proxy: Toxiproxy, deployment: Deployment, hold: float) -> str:
    """Nothing passes, and no connection ends."""
    with proxy.toxic("timeout", *BOTH, timeout=0):
        proof = _silence(proxy)
        time.sleep(hold)
    return proof


def latency(proxy: Toxiproxy, deployment: Deployment, hold: float) -> str:
    with proxy.toxic("latency", *BOTH, latency=LATENCY, jitter=LATENCY // 2):
        seconds, _ = probe(proxy)
        time.sleep(hold)
    return prove(seconds > LATENCY / 1000, f"an answer took {seconds * 1000:.0f} ms")


def slicer(proxy: Toxiproxy, deployment: Deployment, hold: float) -> str:
    attributes = {"average_size": SLICE, "size_variation": SLICE // 2, "delay": SLICE_DELAY}
    _, whole = probe(proxy)
    with proxy.toxic("slicer", *BOTH, **attributes):
        size = min(probe(proxy)[1] for _ in range(5))  # slices may join where this process waits
        time.sleep(hold)
    return prove(0 < size < whole, f"an answer of {whole} bytes began with {size}")


def cut(proxy: Toxiproxy, deployment: Deployment, hold: float) -> str:
    """Each connection ends after some answers, in the middle of one."""
    before = len(deployment.reasons())
    with proxy.toxic("limit_data", "downstream", bytes=CUT):
        time.sleep(hold)
    return _lost_connections(deployment, before)


class IdleDrop:
    """A firewall forgets the connections while no request is under way. New connections work.

    What is sent into the toxic is lost for good, and these connections never answer again.
    """

    def __init__(self, proxy: Toxiproxy, deployment: Deployment) -> None:
        self._proxy, self._deployment = proxy, deployment
        self._toxic = ExitStack()
        self._before = 0

    def drop(self) -> None:
        """Do it before the load."""
        self._before = len(self._deployment.reasons())
        time.sleep(IDLE)
        self._toxic.enter_context(self._proxy.toxic("timeout", *BOTH, timeout=0))

    def wait(self, hold: float) -> str:
        """Let new connections work, then wait."""
        self._toxic.close()
        time.sleep(hold)
        return _lost_connections(self._deployment, self._before)


def _silence(proxy: Toxiproxy) -> str:
    try:
        probe(proxy)
    except TimeoutError:
        return f"PostgreSQL did not answer within {PROBE_LIMIT} s, on an open connection"
    return prove(False, "PostgreSQL did not answer")


def _lost_connections(deployment: Deployment, before: int) -> str:
    lost = len(deployment.reasons()) - before
    return prove(lost, f"the instances logged {lost} lost connections")


FAULTS: Mapping[str, Callable[[Toxiproxy, Deployment, float], str]] = {
    "network: resets": resets,
    "network: half-open": half_open,
    "network: latency": latency,
    "network: slicer": slicer,
    "network: cut after n bytes": cut,
}


@contextmanager
def staged(folder: Path) -> Iterator[Stage]:
    with (
        server() as postgres,
        proxied(postgres.port, folder) as proxy,
        deployed(postgres, folder, role_url(proxy.port)) as deployment,
    ):
        faults = [
            Fault(name, partial(inject, proxy, deployment)) for name, inject in FAULTS.items()
        ]
        idle = IdleDrop(proxy, deployment)
        faults.append(Fault("network: idle connection dropped", idle.wait, idle.drop))
        yield Stage(deployment, faults)
