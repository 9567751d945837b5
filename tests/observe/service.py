"""What the dashboard shows: the function, a model that misbehaves, a PostgreSQL with faults.

One instance is scraped, the other one pushes its metrics to the Collector.
"""

import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dev.observe import programs
from dev.observe.query import Prometheus, Window
from dev.ports import HOST, free_port
from dev.postgres import EmbeddedPostgres
from tests.conftest import apply_schema, open_connection
from tests.instance import FEEDBACK, Instance, running
from tests.llm.conftest import llm_environ
from tests.llm.server import GOOD, Behavior, Exchange, answers, replies, says, serving
from tests.waiting import wait_until

# What the model does is part of the message, so that each request decides it.
BEHAVIORS: dict[str, Behavior] = {
    "repair": answers({**GOOD, "sentiment": "cross", "mood": "bad"}),
    "danger": answers({**GOOD, "concern": "self_harm"}),
    "invalid": says("I would rather not say."),
    "down": replies(503),
}
REFUSE = "ALTER TABLE feedback ADD CHECK (task_id <> 'refused')"
DISCONNECT = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'mentor-function'
"""


@dataclass(frozen=True)
class Scene:
    """What runs, and the folder of its logs."""

    postgres: EmbeddedPostgres
    instances: list[Instance]


async def behave(exchange: Exchange) -> None:
    """Do what the message says."""
    found = [name for name in BEHAVIORS if f"model: {name}".encode() in exchange.body]
    await (BEHAVIORS[found[0]] if found else answers(after=0.02))(exchange)


@contextmanager
def scene(folder: Path, otlp: str) -> Iterator[Scene]:
    """Run an instance to scrape, and one that pushes to this address."""
    with ExitStack() as stack:
        postgres = stack.enter_context(EmbeddedPostgres.temporary())
        apply_schema(postgres.url())
        run(postgres, REFUSE)
        model = stack.enter_context(serving(behave))
        environ = llm_environ(
            *("openai", model.url),
            DATABASE_TIMEOUT="1",
            LLM_CONCURRENCY="50",
            OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"http://{HOST}:{free_port()}",  # nobody is there
            OTEL_TRACES_SAMPLER="always_on",
            OTEL_EXPORTER_OTLP_TRACES_TIMEOUT="1",
            OTEL_BSP_SCHEDULE_DELAY="1000",
        )
        push = {
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": f"{otlp}/v1/metrics",
            "OTEL_METRIC_EXPORT_INTERVAL": "1000",
        }
        scraped = running(folder / "scraped.log", postgres.url(), METRICS="on", **environ)
        pushing = running(folder / "pushing.log", postgres.url(), **environ, **push)
        instances = [stack.enter_context(one).wait_until_ready() for one in (scraped, pushing)]
        yield Scene(postgres, instances)


def run(postgres: EmbeddedPostgres, sql: str) -> None:
    with closing(open_connection(postgres.url())) as connection:
        connection.run(sql)


def post(function: Instance, message: str = "", key: str = "", task: str = "task") -> int:
    """Send feedback, of a new student unless there is a key, and return the status."""
    feedback = {**FEEDBACK, "task_id": task}
    if not key:
        feedback["student_id"] = str(uuid.uuid4())
    if message:
        feedback["message"] = f"model: {message}"
    return function.post(feedback, {"Idempotency-Key": key} if key else {}).status


def ordinary(function: Instance) -> None:
    """Everyday requests, and everyday mistakes."""
    statuses = [
        *[post(function) for _ in range(5)],
        post(function, key="a lesson"),
        post(function, "repair"),
        post(function, "invalid"),
        post(function, "danger"),
    ]
    assert set(statuses) == {200}
    assert function.request("POST", "/api/v1/feedback", b"{}").status == 400
    assert function.get("/nothing").status == 404
    assert function.get("/health/ready").status == 200
    assert b" 400 " in function.raw(b"nonsense\r\n\r\n")


def faults(scene: Scene) -> None:
    """A refused row with a concern, an outage, lost connections, and a model that is down."""
    for function in scene.instances:
        assert post(function, "danger", task="refused") == 500
    with scene.postgres.frozen():
        for function in scene.instances:
            assert post(function) == 503
            assert function.get("/health/ready").status == 503
    run(scene.postgres, DISCONNECT)
    for function in scene.instances:
        function.wait_until_ready()
        for _ in range(8):  # five open the circuit
            post(function, "down")


@dataclass(frozen=True)
class Observed:
    """The scene, Prometheus, and the label `instance` of each instance."""

    scene: Scene
    prometheus: Prometheus
    scraped: str

    def ask(self, expression: str, **target: Any) -> list[Mapping[str, str]]:
        """The labels of the series that have a number in the last minutes."""
        now = time.time()
        found = self.prometheus.ask({**target, "expr": expression}, Window(now - 180, now, 1))
        return [one.labels for one in found]


@contextmanager
def observing(folder: Path) -> Iterator[Observed]:
    """Run the scene, the Collector, and a Prometheus that scrapes both ways."""
    otlp, collector, port = free_port(), free_port(), free_port()
    nowhere = f"{HOST}:{free_port()}"  # no Kafka, no trace store
    with ExitStack() as stack:
        receiver = programs.run_collector(folder, collector, otlp, nowhere, f"http://{nowhere}")
        stack.enter_context(receiver)
        found = stack.enter_context(scene(folder, f"http://{HOST}:{otlp}"))
        scraped = f"{HOST}:{found.instances[0].port}"
        targets = {"mentor-function": scraped, "collector": f"{HOST}:{collector}"}
        stack.enter_context(programs.prometheus(folder, port, targets))
        programs.wait_for(f"http://{HOST}:{port}/-/ready")
        prometheus = stack.enter_context(closing(Prometheus(f"http://{HOST}:{port}")))
        observed = Observed(found, prometheus, scraped)
        wait_until(lambda: len(observed.ask("mentor_build")) == 2)
        yield observed
