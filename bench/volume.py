"""The bytes per feedback in PostgreSQL's log, on its disk, and in Kafka."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench import chain, latency, payload, wrk
from bench.chain import Chain
from bench.database import Database
from bench.output import table
from bench.server import FUNCTION, running
from dev.kafka.prepare import TOPIC

STEADY = 10.0  # seconds of events
WARM_UP = 1_000  # rows
CONNECTIONS = (1, 32)
LEGEND = f"""\
Bytes per feedback, with a message of {len(payload.ROW["message"])} characters. Waiting feedback is
stored in one transaction, so more connections need fewer bytes each. Kafka's figure is for one
replica, uncompressed."""


@dataclass(frozen=True, slots=True)
class Volume:
    """Bytes per feedback; `log` by the number of connections."""

    log: Mapping[int, float]
    rows: float
    indexes: float
    kafka: float


def measure(database: Database, seconds: float) -> Volume:
    """Post feedback for that many seconds per number of connections, then measure events."""
    database.empty()
    with running(FUNCTION, database.url) as server:
        server.wait_for_answer(payload.post())
        log = {number: _log(database, server.port, number, seconds) for number in CONNECTIONS}
    rows, indexes = _disk(database)
    with chain.running(database, WARM_UP) as running_chain:
        return Volume(log, rows, indexes, _kafka(running_chain))


def render(volume: Volume) -> str:
    """The table: one line per place."""
    lines = [
        *((f"PostgreSQL's log, {number} at once", found) for number, found in volume.log.items()),
        ("table", volume.rows),
        ("its indexes", volume.indexes),
        ("Kafka", volume.kafka),
    ]
    return f"{LEGEND}\n\n" + table(["where", "bytes"], [[it, f"{size:,.0f}"] for it, size in lines])


def _log(database: Database, port: int, connections: int, seconds: float) -> float:
    before, start = database.count(), database.log_position()
    wrk.load(port, connections, seconds)
    rows = database.count() - before
    return (database.log_position() - start) / rows


def _disk(database: Database) -> tuple[float, float]:
    rows = database.count()
    with_toast, indexes = database.sizes()
    return with_toast / rows, indexes / rows


def _kafka(running_chain: Chain) -> float:
    with running_chain.debezium({}):
        before, start = _segments(running_chain.folder), running_chain.topic.end()
        latency.measure(running_chain, STEADY)
        events = sum(running_chain.topic.end()) - sum(start)
        return (_segments(running_chain.folder) - before) / events


def _segments(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob(f"kafka/data/{TOPIC}-*/*.log"))
