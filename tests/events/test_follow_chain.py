"""The engine of `make events` uses the chain of deploy/debezium, with its own storage."""

from dataclasses import replace
from pathlib import Path

import pytest

from dev.debezium import expand, source_settings
from dev.events.settings import engine_settings
from function.postgres_settings import PostgresSettings
from function.settings import load

URL = "postgresql://mentor_debezium:%24%7BPGHOST%7D@db.example:5433/mentor?sslmode=disable"
ENVIRON = {
    "PGHOST": "db.example",
    "PGPORT": "5433",
    "PGDATABASE": "mentor",
    "PGUSER": "mentor_debezium",
    "PGPASSWORD": "${PGHOST}",  # a password is not expanded
    "PGSSLMODE": "disable",
    "KAFKA_BOOTSTRAP_SERVERS": "",
}
OF_THE_PLACE = {
    "slot.name",
    "offset.storage",
    "offset.storage.topic",
    "offset.storage.partitions",
    "offset.storage.replication.factor",
    "offset.flush.interval.ms",
    "bootstrap.servers",
    "errors.max.retries",
}


@pytest.fixture
def postgres() -> PostgresSettings:
    return load({"DATABASE_URL": URL}).postgres


def test_settings(
    postgres: PostgresSettings,
) -> None:
    """Only settings of the environment differ from Debezium Server's."""
    server = expand(source_settings(), ENVIRON)
    engine = engine_settings(postgres, "slot", Path("offsets"))
    assert {n for n, value in server.items() if engine.get(n) != value} == OF_THE_PLACE
    assert {name: engine[name] for name in engine.keys() - server.keys()} == {
        "name": "mentor-events",
        "offset.storage.file.filename": "offsets",
        "value.converter.replace.null.with.default": "false",
        "value.converter.schemas.enable": "false",
        "header.converter.class": "org.apache.kafka.connect.storage.StringConverter",
    }


@pytest.mark.parametrize(
    ("mode", "expected"), [("require", "verify-ca"), ("verify-full", "verify-full")]
)
def test_root_certificate(postgres: PostgresSettings, mode: str, expected: str) -> None:
    """A root certificate is used as by libpq."""
    secured = replace(postgres, sslmode=mode, sslrootcert=Path("ca.pem"))
    engine = engine_settings(secured, "slot", Path("offsets"))
    assert engine["database.sslmode"] == expected
    assert engine["database.sslrootcert"] == "ca.pem"
