"""How fast Debezium catches up after it was off."""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from bench.chain import Chain
from bench.output import BenchFailure
from bench.processes import cpu_seconds
from bench.topic import Event, Position
from dev.kafka import DebeziumServer


@dataclass(frozen=True, slots=True)
class Backlog:
    """Events per second from the first to the last; seconds from Debezium's start to the last.

    `cpu` is in microseconds per event, by program.
    """

    rate: float
    seconds: float
    cpu: Mapping[str, float]


def measure(chain: Chain, debezium: DebeziumServer, count: int) -> Backlog:
    """Start Debezium after `count` rows were inserted.

    Raises BenchFailure unless each row became one event.
    """
    start, launched = chain.topic.end(), time.time()
    debezium.start()
    before = _cpu(chain, debezium)
    chain.topic.wait_for(start, count)
    after = _cpu(chain, debezium)
    events = _events(chain, start)
    first, last = (find(event.time for event in events) / 1000 for find in (min, max))
    cpu = {who: (after[who] - before[who]) / count * 1e6 for who in after}
    return Backlog(count / (last - first), last - launched, cpu)


def _events(chain: Chain, start: Position) -> list[Event]:
    events = list(chain.topic.between(start, chain.topic.end()))
    come, rows = Counter(event.id for event in events), chain.database.ids()
    if come != Counter(rows):
        repeated = come.total() - len(come)
        missing = len(rows - come.keys())
        raise BenchFailure(f"{len(rows)} rows: {missing} missing, {repeated} repeated events")
    return events


def _cpu(chain: Chain, debezium: DebeziumServer) -> dict[str, float]:
    pids = {"Debezium": debezium.pid, "PostgreSQL": chain.database.pid, "Kafka": chain.kafka.pid}
    return {who: cpu_seconds(pid) for who, pid in pids.items() if pid is not None}
