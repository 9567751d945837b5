"""A load on the chain, whose parts and consumers are killed meanwhile."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from dev.kafka.prepare import TOPIC
from tests.consumers import foreign
from tests.consumers.foreign import Foreign
from tests.consumers.group import Group
from tests.consumers.programs import BUILDS
from tests.consumers.sink import Sink, running_sink
from tests.events.sender import Load
from tests.events.stack import Stack, running_stack
from tests.events.topic import Record, read, read_to_the_end
from tests.waiting import wait_until

POSTS, RATE = 600, 60.0  # of each round, and per second
PARTITIONS = 3
PATIENCE = 300.0  # seconds; a group waits for up to 45 of them for a killed member

IDS = "SELECT student_id::text, id::text FROM feedback ORDER BY created_at"


@dataclass(frozen=True)
class Run:
    """What was sent. `rows` are the ids of each student in order."""

    rows: dict[str, list[str]]
    records: list[Record]
    foreign: list[Foreign]
    groups: dict[str, Group]
    sink: Sink

    def ids(self) -> set[str]:
        return {row for rows in self.rows.values() for row in rows}

    def foreign_rows(self) -> set[str]:
        """The ids of the foreign records that become rows: the value fits, and the headers do."""
        return {
            one.id
            for one in self.foreign
            if one.is_row and "ce_type" in one.headers and "ce_subject" not in one.headers
        }


@contextmanager
def finished_run(folder: Path, rounds: int) -> Iterator[Run]:
    """Kill every part in each round, and wait until every reader has had time for the rest."""
    with ExitStack() as stack:
        chain = stack.enter_context(running_stack(folder))
        sink = stack.enter_context(running_sink(folder / "sink", chain))
        groups = _started_groups(stack, folder, chain)
        sent = _disturbed_load(chain, sink, groups, rounds)
        rows = _rows(chain)
        run = Run(rows, _records(chain, rows), sent, groups, sink)
        _wait_for_readers(run)
        yield run


def _started_groups(stack: ExitStack, folder: Path, chain: Stack) -> dict[str, Group]:
    groups = {name: Group(name, folder / name, chain.kafka.bootstrap) for name in BUILDS}
    for group in groups.values():
        stack.callback(group.stop)
        group.start()
        group.start()
    return groups


def _disturbed_load(
    chain: Stack, sink: Sink, groups: dict[str, Group], rounds: int
) -> list[Foreign]:
    """Return the foreign records that were sent among the feedback."""
    load = Load([chain.function.port], rounds * POSTS, RATE)
    sending = threading.Thread(target=load.run)
    sending.start()
    wait_until(lambda: all(group.handled() for group in groups.values()), PATIENCE)
    sent: list[Foreign] = []
    for at in range(rounds):
        _wait_for_posts(load, at * POSTS)
        [record, *_] = read(chain.kafka.bootstrap, TOPIC, bool)
        sent += foreign.send(chain.kafka.bootstrap, record, PARTITIONS)
        chain.debezium.kill()
        chain.debezium.launch()  # it is ready only when there is another row
        for group in groups.values():
            group.disturb()
        sink.disturb()
    sending.join()
    assert load.failed == []
    return sent


def _wait_for_posts(load: Load, count: int) -> None:
    wait_until(lambda: load.count >= count, PATIENCE)


def _rows(chain: Stack) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for student, row in chain.run(IDS):
        found.setdefault(student, []).append(row)
    return found


def _records(chain: Stack, rows: dict[str, list[str]]) -> list[Record]:
    """Wait until the topic has all rows, and return all its records."""
    missing = {row for ids in rows.values() for row in ids}
    read(chain.kafka.bootstrap, TOPIC, lambda records: missing <= {*map(event_id, records)})
    chain.debezium.stop()  # so that no repeat is on its way
    return read_to_the_end(chain.kafka.bootstrap, TOPIC)


def event_id(record: Record) -> str:
    """Return the record's ce_id; a foreign record may have none."""
    return (dict(record.headers).get("ce_id") or b"").decode()


def _wait_for_readers(run: Run) -> None:
    """Wait until each reader has everything, or has had enough time; the tests find what lacks."""
    ids, deadline = run.ids(), time.monotonic() + PATIENCE

    def done() -> bool:
        for group in run.groups.values():
            group.restart()
        return time.monotonic() > deadline or (
            all(ids <= {*group.handled()} for group in run.groups.values())
            and all(len(group.skipped) >= len(run.foreign) for group in run.groups.values())
            and ids | run.foreign_rows() <= run.sink.ids()
        )

    wait_until(done, 2 * PATIENCE)
