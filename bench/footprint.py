"""The memory of the services that store feedback."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection

from bench import payload
from bench.database import Database
from bench.output import BenchFailure, table
from bench.processes import rss
from bench.server import Server, running, services

CONNECTIONS = 8
REQUESTS = 1000

Footprints = Mapping[str, float]  # megabytes, by the service


def measure(database: Database) -> Footprints:
    """Start each program, send it the requests, and measure its memory."""
    found = {}
    for name, command in services().items():
        database.empty()
        with running(command, database.url) as server:
            server.wait_for_answer(payload.post())
            with ThreadPoolExecutor(CONNECTIONS) as pool:
                list(pool.map(_post, [server] * CONNECTIONS))
            found[name] = rss(server.pid)
        if (rows := database.count()) != REQUESTS + 1:
            raise BenchFailure(f"{name}: {rows} rows")
    return found


def render(footprints: Footprints) -> str:
    """The table: one line per program."""
    rows = [[name, f"{megabytes:.1f}"] for name, megabytes in footprints.items()]
    return table([f"after {REQUESTS:,} requests", "RSS MB"], rows)


def _post(server: Server) -> None:
    """Send one connection's share of the requests. Raises BenchFailure."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=10)
    headers = {"Content-Type": "application/json", "traceparent": payload.TRACEPARENT}
    for student in range(1, REQUESTS // CONNECTIONS + 1):
        connection.request("POST", payload.PATH, payload.body(f"{student:032}"), headers)
        response = connection.getresponse()
        response.read()
        if response.status != 200:
            raise BenchFailure(f"answered with {response.status}")
    connection.close()
