"""The whole chain, the programs that watch it, and a Prometheus that scrapes them."""

import gzip
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from dev.http_server import Request, serving
from dev.kafka.prepare import TOPIC
from dev.observe import programs
from dev.ports import HOST, free_port
from tests.events.group import new_group
from tests.events.stack import DATABASE, Stack, running_stack
from tests.instance import FEEDBACK
from tests.observe.panels import Api

HEARTBEATS = {"debezium.source.heartbeat.interval.ms": "1000"}  # one in 10 seconds is too slow here


@dataclass(frozen=True)
class Observed:
    """The chain, Prometheus, and the Collector's address for OTLP."""

    stack: Stack
    api: Api
    otlp: str
    traces: list[bytes]  # what the Collector sent to a trace store


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
    with ExitStack() as exit_stack:
        traces: list[bytes] = []

        def keep(request: Request) -> None:
            traces.append(gzip.decompress(request.body()))
            request.answer()

        store = f"http://{HOST}:{exit_stack.enter_context(serving(keep))}"
        for process in (
            programs.postgres_exporter(folder, ports["postgres"], database),
            programs.run_collector(folder, ports["collector"], otlp, kafka, store),
            programs.prometheus(folder, port, targets),
        ):
            exit_stack.enter_context(process)
        programs.wait_for(f"{url}/-/ready")
        yield Observed(stack, Api(url), f"http://{HOST}:{otlp}", traces)
