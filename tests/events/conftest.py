"""One Kafka for all tests, and one chain at a time: first with Debezium Server, then Connect."""

import uuid
from collections.abc import Iterator

import pytest

from dev.kafka import Kafka
from dev.kafka.prepare import create_topics
from tests.events.chain import Chain, connect, running_chain, server


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    with Kafka(tmp_path_factory.mktemp("kafka")) as kafka:
        create_topics(kafka)
        yield kafka


@pytest.fixture(
    scope="session",
    params=[server, connect],
    ids=["debezium-server", "kafka-connect"],
)
def chain(
    request: pytest.FixtureRequest, kafka: Kafka, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Chain]:
    with running_chain(tmp_path_factory.mktemp("chain"), kafka, request.param) as chain:
        yield chain


@pytest.fixture
def student() -> str:
    return str(uuid.uuid4())
