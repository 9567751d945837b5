"""The chain from row to event: a real PostgreSQL, Debezium Server and Kafka."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import rows
from bench.database import NAME, Database
from bench.output import say
from bench.topic import Topic
from dev.kafka import DebeziumServer, Kafka
from dev.kafka.prepare import TOPIC, create_role, create_topics, variables

# The defaults of Debezium 3.6.3 and of Kafka 4.3's producer, for the settings that
# deploy/debezium/application.properties changes for speed.
DEFAULTS = {
    "debezium.source.poll.interval.ms": "500",
    "debezium.source.max.batch.size": "2048",
    "debezium.source.max.queue.size": "8192",
    "debezium.source.max.queue.size.in.bytes": "0",
    "debezium.source.offset.flush.interval.ms": "60000",
    "debezium.sink.kafka.producer.linger.ms": "5",
    "debezium.sink.kafka.producer.batch.size": "16384",
    "debezium.sink.kafka.producer.compression.type": "none",
}
# Properties that replace those of the deployed file, by the name in the table.
VARIANTS: Mapping[str, Mapping[str, str]] = {"deployed": {}, "defaults": DEFAULTS}


@dataclass(frozen=True, slots=True)
class Chain:
    """Everything but Debezium is running; Debezium's slot and offsets stay between its starts."""

    database: Database
    kafka: Kafka
    topic: Topic
    folder: Path

    def debezium(self, overrides: Mapping[str, str]) -> DebeziumServer:
        """Debezium Server, not started, with properties that replace the deployed ones."""
        environ = variables(self.database.server, NAME, self.kafka)
        return DebeziumServer(self.folder / "debezium", environ, overrides)


@contextmanager
def running(database: Database, warm_up: int) -> Iterator[Chain]:
    """Start Kafka, and Debezium once, for `warm_up` rows; nothing is left of them afterwards.

    Without these rows, the first measurement would find Kafka cold.
    """
    with tempfile.TemporaryDirectory(prefix="mentor-bench-", dir="/var/tmp") as name:
        folder = Path(name)
        with Kafka(folder / "kafka") as kafka:
            create_topics(kafka)
            with closing(Topic(kafka.bootstrap, TOPIC)) as topic:
                chain = Chain(database, kafka, topic, folder)
                _warm_up(chain, warm_up)
                yield chain


def _warm_up(chain: Chain, count: int) -> None:
    """Let Debezium make its slot and store its offsets, which it does only after an event."""
    say("events: Debezium's first start")
    create_role(chain.database.server)
    chain.database.empty()
    start = chain.topic.end()
    with chain.debezium({}):
        rows.insert(chain.database, count)
        chain.topic.wait_for(start, count)
