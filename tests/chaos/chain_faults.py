"""Kafka and Debezium are killed: the events are compared with the posts, by ce_id."""

import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from dev.kafka import DebeziumServer, Kafka, jars
from dev.kafka.java import JavaProgram, java
from dev.kafka.prepare import TOPIC, create_role, create_topics, variables
from tests.chaos.deployment import DATABASE, Deployment, deployed, server
from tests.chaos.fault import Fault, LeftOut, Stage, prove
from tests.events.topic import Record, read

ARRIVAL_LIMIT = 120.0  # seconds


def kill(program: JavaProgram, hold: float) -> str:
    before = program.pid
    program.kill()
    time.sleep(hold)
    program.start()
    return prove(program.pid != before, "it has another process id")


class Events:
    """How many events with different ids each message has: it replaces the look at the rows."""

    def __init__(self, deployment: Deployment, bootstrap: str) -> None:
        self._rows, self._bootstrap = deployment.stored, bootstrap

    def stored(self, students: Collection[str]) -> Counter[str]:
        """Wait until each row of these students is an event, or time is up."""
        rows = self._rows(students)
        deadline = time.monotonic() + ARRIVAL_LIMIT

        def enough(records: Sequence[Record]) -> bool:
            return rows.keys() <= _ids(records).keys() or time.monotonic() > deadline

        events = _ids(read(self._bootstrap, TOPIC, enough, 2 * ARRIVAL_LIMIT))
        return Counter({message: len(events[message]) for message in rows if message in events})


def _ids(records: Sequence[Record]) -> dict[str, set[bytes | None]]:
    """The different ids of each message; a repeat has the same one."""
    found = defaultdict(set)
    for record in records:
        found[str(record.row()["message"])].add(record.header("ce_id"))
    return dict(found)


def _check_downloads() -> None:
    """Raises LeftOut."""
    lines = jars.lock_file("kafka").read_text().splitlines()
    names = [line.split()[0] for line in lines if ".jar " in line]
    try:
        java()
    except FileNotFoundError as exc:
        raise LeftOut(str(exc)) from exc
    if not all((jars.REPOSITORY / name).exists() for name in names):
        raise LeftOut("Kafka and Debezium Server are not here: `make test-kafka` downloads them")


@contextmanager
def staged(folder: Path) -> Iterator[Stage]:
    _check_downloads()
    with server() as postgres, Kafka(folder / "kafka") as kafka:
        create_role(postgres)
        create_topics(kafka)
        environ = variables(postgres, DATABASE, kafka)
        with (
            DebeziumServer(folder / "debezium", environ) as debezium,
            deployed(postgres, folder) as deployment,
        ):
            faults = [
                Fault("Kafka: kill -9", partial(kill, kafka)),
                Fault("Debezium: kill -9", partial(kill, debezium)),
            ]
            yield Stage(deployment, faults, Events(deployment, kafka.bootstrap).stored)
