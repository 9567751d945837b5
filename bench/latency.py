"""The time from a row's commit until a consumer gets its event."""

import random
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from threading import Event as Flag

from bench import payload, rows
from bench.chain import Chain
from bench.database import Database
from bench.output import BenchFailure
from bench.topic import Topic

RATE = 50  # rows a second
WARM_UP = 10.0  # seconds
ARRIVAL_LIMIT = 30.0  # seconds
POLL = 0.2  # seconds between two checks of the consumer whether it should stop

Moments = dict[str, float]  # of the performance counter, by the row's id


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds, for the rows of one round."""

    p50: float
    p99: float


def measure(chain: Chain, seconds: float) -> Latency:
    """Insert rows at a steady rate, while a consumer in another thread waits for their events.

    Raises BenchFailure unless each row became one event.
    """
    with _arrivals(chain.topic) as arrivals:
        commits = _insert(chain.database, WARM_UP + seconds)
        _wait_for(arrivals, len(commits))
    if arrivals.keys() != commits.keys():
        raise BenchFailure("the events are not those of the rows")
    counted = list(commits)[round(RATE * WARM_UP) :]
    return _latency(sorted((arrivals[row] - commits[row]) * 1000 for row in counted))


def _insert(database: Database, seconds: float) -> Moments:
    """Insert each row at its time; return when PostgreSQL's answer arrived."""
    commits: Moments = {}
    with closing(database.connect()) as connection:
        statement = connection.prepare(rows.PREPARED)
        start = time.perf_counter()
        for number, due in enumerate(_schedule(seconds)):
            time.sleep(max(0.0, start + due - time.perf_counter()))
            [[row]] = statement.run(student=str(number % payload.STUDENTS + 1))
            commits[row] = time.perf_counter()
    return commits


def _schedule(seconds: float) -> Iterator[float]:
    """One row at a random time of each 1 / RATE seconds, so that no pattern meets Debezium's."""
    chance = random.Random(RATE)  # noqa: S311 - the same in each round, and no secret
    return ((number + chance.random()) / RATE for number in range(round(RATE * seconds)))


@contextmanager
def _arrivals(topic: Topic) -> Iterator[Moments]:
    """When the consumer got each event; filled while the block runs."""
    arrivals: Moments = {}
    over = Flag()
    with topic.following(topic.end()), ThreadPoolExecutor(1) as pool:
        receiver = pool.submit(_receive, topic, arrivals, over)
        try:
            yield arrivals
        finally:
            over.set()
        receiver.result()


def _receive(topic: Topic, arrivals: Moments, over: Flag) -> None:
    while not over.is_set():
        event, now = topic.poll(POLL), time.perf_counter()
        if event is None:
            continue
        if event.id in arrivals:
            raise BenchFailure(f"the event {event.id} came twice")
        arrivals[event.id] = now


def _wait_for(arrivals: Moments, count: int) -> None:
    deadline = time.monotonic() + ARRIVAL_LIMIT
    while len(arrivals) < count and time.monotonic() < deadline:
        time.sleep(POLL)


def _latency(ordered: Sequence[float]) -> Latency:
    return Latency(ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100])
