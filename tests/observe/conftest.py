"""The whole chain, the programs that watch it, and a Prometheus that scrapes them."""

import gzip
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from dev.kafka.prepare import TOPIC
from dev.observe import programs
from dev.ports import HOST, free_port
from tests.events.group import new_group
from tests.events.stack import DATABASE, Stack, running_stack
from tests.instance import FEEDBACK
from tests.observe.panels import Api

HEARTBEATS = {"debezium.source.heartbeat.interval.ms": "1000"}  # one in 10 seconds is too slow here


class TraceStore(ThreadingHTTPServer):
    """Takes what the Collector sends to a trace store."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        super().__init__((HOST, 0), self.Handler)

    class Handler(BaseHTTPRequestHandler):
        server: "TraceStore"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.server.received.append(gzip.decompress(body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            """Say nothing."""


@dataclass(frozen=True)
class Observed:
    """The chain, Prometheus, and the Collector's address for OTLP."""

    stack: Stack
    api: Api
    otlp: str
    traces: TraceStore


@pytest.fixture(scope="session")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    folder = tmp_path_factory.mktemp("observe")
    ports = {name: free_port() for name in ("postgres", "debezium", "collector")}
    environ = programs.agent(ports["debezium"])
    with running_stack(folder, HEARTBEATS, environ) as stack:
        with_feedback(stack)
        with watching(stack, folder, ports) as found:
            yield found


def with_feedback(stack: Stack) -> None:
    """Store feedback whose events a consumer group has not read."""
    new_group(stack.kafka.bootstrap, TOPIC)
    for _ in range(20):
        student = {"student_id": str(uuid.uuid4())}
        assert stack.function.post({**FEEDBACK, **student}).status == 200


@contextmanager
def watching(stack: Stack, folder: Path, ports: dict[str, int]) -> Iterator[Observed]:
    otlp, port = free_port(), free_port()
    url = f"http://{HOST}:{port}"
    targets = {name: f"{HOST}:{port}" for name, port in ports.items()}
    kafka, database = stack.kafka.bootstrap, stack.postgres.url(DATABASE)
    with ExitStack() as exit_stack, TraceStore() as traces:
        Thread(target=traces.serve_forever, args=[0.01], daemon=True).start()
        exit_stack.callback(traces.shutdown)
        store = f"http://{HOST}:{traces.server_port}"
        for process in (
            programs.postgres_exporter(folder, ports["postgres"], database),
            programs.run_collector(folder, ports["collector"], otlp, kafka, store),
            programs.prometheus(folder, port, targets),
        ):
            exit_stack.enter_context(process)
        programs.wait_for(f"{url}/-/ready")
        yield Observed(stack, Api(url), f"http://{HOST}:{otlp}", traces)
