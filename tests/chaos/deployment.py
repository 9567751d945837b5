"""Two instances of the function and a PostgreSQL, with the role that a deployment has."""

from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from dev.ports import free_port
from dev.postgres import EmbeddedPostgres
from tests.conftest import apply_schema, open_connection
from tests.instance import Instance, running
from tests.waiting import wait_until

DATABASE, ROLE = "mentor", "mentor"
INSTANCES = 2
BACKENDS = "FROM pg_stat_activity WHERE application_name = 'mentor-function'"
FOUND = """
SELECT message, count(*) FROM feedback
WHERE student_id IN (SELECT unnest(CAST(:students AS uuid[]))) GROUP BY message
"""
SETTLED = 10.0  # seconds in which the descriptors of closed connections are closed


@dataclass(frozen=True, slots=True)
class Usage:
    """What all instances hold together; `memory` is the resident one, in megabytes (10^6 bytes)."""

    memory: float
    descriptors: int


class Deployment:
    """The parts of a deployment; each instance keeps its port when it is started again."""

    def __init__(
        self,
        postgres: EmbeddedPostgres,
        folder: Path,
        url: str,
        **environ: str,
    ) -> None:
        self.postgres = postgres
        self.ports = [free_port() for _ in range(INSTANCES)]
        self.instances: list[Instance] = []
        self._folder, self._url = folder, url
        self._environ = environ
        self._stacks = [ExitStack() for _ in self.ports]

    def start(self, number: int) -> Instance:
        """Start an instance, after its end if it ran before; return when it is ready."""
        self._stacks[number].close()
        log = self._folder / f"function-{number}.log"
        environ = {**self._environ, "PORT": str(self.ports[number])}
        instance = self._stacks[number].enter_context(running(log, self._url, **environ))
        self.instances[number : number + 1] = [instance]
        return instance.wait_until_ready()

    def stop(self) -> None:
        """End all instances."""
        for stack in self._stacks:
            stack.close()

    def run(self, sql: str, **parameters: object) -> list[list[Any]]:
        """Run a statement as a superuser, on a connection of its own."""
        with closing(open_connection(self.postgres.url(DATABASE))) as connection:
            return connection.run(sql, **parameters) or []

    def stored(self, students: Collection[str]) -> Counter[str]:
        """How many rows each message of these students has."""
        return Counter(dict(self.run(FOUND, students=list(students))))

    def is_ready(self) -> bool:
        """Whether each instance could write a row."""
        return all(one.get("/health/ready").status == 200 for one in self.instances)

    def usage(self) -> Usage:
        """What the instances hold now."""
        processes = [psutil.Process(one.process.pid) for one in self.instances]
        memory = sum(one.memory_info().rss for one in processes) / 1e6
        return Usage(memory, sum(one.num_fds() for one in processes))

    def settled(self, before: Usage) -> Usage:
        """What they hold when they are ready and have closed the connections of the clients."""
        wait_until(self.is_ready)
        with suppress(AssertionError):  # the caller compares
            wait_until(lambda: self.usage().descriptors <= before.descriptors, SETTLED)
        return self.usage()

    def reasons(self) -> list[str]:
        """Why the instances could not reach the database, as they logged it."""
        events = [event for one in self.instances for event in one.events()]
        return [event["reason"] for event in events if event["event"] == "database unavailable"]

    @property
    def postgres_log(self) -> str:
        """What PostgreSQL has logged since its last start."""
        return (self.postgres.folder / "server.log").read_text(errors="replace")


def make_database(postgres: EmbeddedPostgres) -> None:
    """Make the database with its schema, and the function's role, which owns nothing."""
    apply_schema(postgres.create_database(DATABASE))
    with closing(open_connection(postgres.url(DATABASE))) as connection:
        connection.run(f"CREATE ROLE {ROLE} LOGIN IN ROLE mentor_writer")


def role_url(*ports: int | None, query: str = "") -> str:
    """The URL of the function's role, with a host for each port."""
    hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
    return f"postgresql://{ROLE}@{hosts}/{DATABASE}{query}"


@contextmanager
def deployed(
    postgres: EmbeddedPostgres,
    folder: Path,
    url: str = "",
    **environ: str,
) -> Iterator[Deployment]:
    """Run the instances until the end of the block, with the server's own URL or another one."""
    found = Deployment(postgres, folder, url or role_url(postgres.port), **environ)
    try:
        for number in range(INSTANCES):
            found.start(number)
        yield found
    finally:
        found.stop()


@contextmanager
def server(**settings: str) -> Iterator[EmbeddedPostgres]:
    """Run a PostgreSQL with the database and the role."""
    with EmbeddedPostgres.temporary(**settings) as postgres:
        make_database(postgres)
        yield postgres
