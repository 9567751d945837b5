"""The memory and the descriptors of an instance that answers many requests of all kinds."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench import payload, wrk
from bench.database import started
from bench.output import BenchFailure, say, table
from bench.server import FUNCTION, Server, running
from tests.hosts.test_descriptors import REQUESTS

SCRIPT = Path(__file__).with_name("mix.lua")
CONNECTIONS = 40
CHUNK = 10  # seconds between two samples
LOOKS, LOOK = 20, 0.1  # seconds; the load's connections end meanwhile
WARM_UP = 0.1  # of the requests
GROWTH_LIMIT = 5.0  # megabytes
KEY = {"Idempotency-Key": "KEY-000000000000"}  # mix.lua replaces it
STORED = ("POST", payload.PATH, payload.body(f"{1:032}").encode())
# Most requests store a row; one in 20 is refused or closes its connection.
MIX = [
    *[(*STORED, {}, 200)] * 120,
    *[(*STORED, KEY, 200)] * 120,
    *REQUESTS,
    (*STORED, {"Connection": "close"}, 200),
]


@dataclass(frozen=True, slots=True)
class Sample:
    """What the instance holds after this number of requests; `rss` in megabytes (10^6 bytes)."""

    requests: int
    rss: float
    descriptors: int


def measure(total: int) -> list[Sample]:
    """Send the requests; return the sample after the warm-up and all later ones.

    Raises BenchFailure when a connection fails, or other requests are refused than should be.
    """
    with (
        started() as database,
        running(FUNCTION, database.url) as server,
        _files() as folder,
    ):
        server.wait_for_answer(payload.post())
        sent = 0
        samples: list[Sample] = []
        while sent < total or len(samples) < 2:
            sent += _send(server.port, folder)
            sample = _sample(server, sent)
            say(f"{sent:,} requests: {sample.rss:.1f} MB, {sample.descriptors} descriptors")
            if sent >= WARM_UP * total:
                samples.append(sample)
        return samples


def problems(samples: list[Sample]) -> list[str]:
    """What is wrong with the samples."""
    first, *later = samples
    growth = max(one.rss for one in later) - first.rss
    leaked = later[-1].descriptors - first.descriptors
    return [
        *([f"memory grew by {growth:.1f} MB"] if growth >= GROWTH_LIMIT else []),
        *([f"{leaked} descriptors are left open"] if leaked > 0 else []),
    ]


def render(samples: list[Sample]) -> str:
    """The table: the end of the warm-up, the most and the last of the rest."""
    first, *later = samples
    most = max(later, key=lambda one: one.rss)
    named = [("after the warm-up", first), ("the most", most), ("at the end", later[-1])]
    rows = [
        [name, f"{one.requests:,}", f"{one.rss:.1f}", str(one.descriptors)] for name, one in named
    ]
    return table(["", "requests", "RSS MB", "descriptors"], rows)


def _sample(server: Server, sent: int) -> Sample:
    process = psutil.Process(server.pid)
    descriptors = []
    for _ in range(LOOKS):
        time.sleep(LOOK)
        descriptors.append(process.num_fds())
    return Sample(sent, process.memory_info().rss / 1e6, min(descriptors))


@contextmanager
def _files() -> Iterator[Path]:
    """A folder with a file for each request of the mix."""
    with tempfile.TemporaryDirectory() as name:
        for index, (method, path, body, headers, _) in enumerate(MIX, 1):
            Path(name, f"{index}.http").write_bytes(_bytes(method, path, body, headers))
        yield Path(name)


def _bytes(method: str, path: str, body: bytes | None, headers: dict[str, str]) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body or b'')}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")


def _send(port: int, folder: Path) -> int:
    """Send requests for CHUNK seconds; return their number. Raises BenchFailure."""
    url = f"http://127.0.0.1:{port}/"
    report = wrk.run(SCRIPT, url, CONNECTIONS, CHUNK, folder, str(len(MIX)))
    refusals = sum(status != 200 for *_, status in MIX)
    most = (report["requests"] // len(MIX) + 2) * refusals
    if report["errors"] or report["refused"] > most:
        raise BenchFailure(f"not all answers are as they should be:\n{report}")
    return int(report["requests"])
