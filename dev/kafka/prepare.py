"""What must exist before Debezium's first start: its role, and the topics that it writes to."""

from collections.abc import Mapping
from contextlib import closing

from pg8000.native import Connection

from dev.debezium import ROLE, make_role
from dev.kafka.programs import Kafka
from dev.ports import HOST
from dev.postgres import EmbeddedPostgres

TOPIC = "mentor.feedback"
HEARTBEATS = "__debezium-heartbeat.mentor"
# As in deploy/debezium/README.md: how long a record stays.
CONFIGS = {
    TOPIC: {
        "retention.ms": "604800000",
        "segment.ms": "86400000",
        "message.timestamp.type": "LogAppendTime",
    },
    HEARTBEATS: {
        "retention.ms": "3600000",
        "segment.ms": "3600000",
        "message.timestamp.type": "LogAppendTime",
    },
}


def create_role(server: EmbeddedPostgres) -> None:
    """Make the role that Debezium connects as; a database of the server has the schema."""
    with closing(Connection("postgres", host=HOST, port=server.port)) as connection:
        make_role(connection)


def create_topics(kafka: Kafka) -> None:
    """Make the topic of the events and the topic of the heartbeats."""
    kafka.create_topic(TOPIC, 3, CONFIGS[TOPIC])
    kafka.create_topic(HEARTBEATS, 1, CONFIGS[HEARTBEATS])


def variables(server: EmbeddedPostgres, database: str, kafka: Kafka) -> Mapping[str, str]:
    """The variables that application.properties and connector.json name."""
    return {
        "PGHOST": HOST,
        "PGPORT": str(server.port),
        "PGDATABASE": database,
        "PGUSER": ROLE,
        "PGPASSWORD": "not asked for",
        "PGSSLMODE": "disable",
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap,
        "KAFKA_REPLICATION_FACTOR": "1",
    }
