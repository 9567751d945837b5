"""The chain from row to event, for each program that runs Debezium.

deploy/debezium/application.properties defines it, in Debezium Server's terms. This module derives
the settings of Kafka Connect and of the embedded engine. `python -m dev.debezium` (`make
connector`) writes deploy/debezium/connector.json.
"""

import json
import re
from collections.abc import Mapping

import javaproperties
from pg8000.native import Connection

from dev.paths import CLONE

SERVER = CLONE / "deploy/debezium/application.properties"
CONNECTOR = CLONE / "deploy/debezium/connector.json"
NAME = "mentor-feedback"

# Debezium Server's names of formats, as the converters they stand for.
CONVERTERS = {
    "simplestring": "org.apache.kafka.connect.storage.StringConverter",
    "json": "org.apache.kafka.connect.json.JsonConverter",
}
# Kafka Connect stores offsets itself, knows its brokers, and writes the bytes of converters.
OF_THE_WORKER = ("offset.", "bootstrap.servers", "key.serializer", "value.serializer")

# The role that Debezium connects as. schema.sql does not make it; an existing one may lack rights.
ROLE = "mentor_debezium"
MAKE_ROLE = f"""
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{ROLE}') THEN
        CREATE ROLE {ROLE};
    END IF;
    ALTER ROLE {ROLE} LOGIN REPLICATION NOSUPERUSER INHERIT;
    GRANT mentor_cdc TO {ROLE};
END
$$
"""

VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<default>[^}]*))?\}")

Settings = dict[str, str]


def server_settings() -> Settings:
    """Debezium Server's settings, with `${NAME}` where the environment decides."""
    return javaproperties.loads(SERVER.read_text(encoding="utf-8"))


def source_settings() -> Settings:
    """The settings that every program shares: the connector's and the transforms'."""
    settings = server_settings()
    return {
        **_under("debezium.source.", settings),
        **{
            name.removeprefix("debezium."): value
            for name, value in settings.items()
            if name.startswith(("debezium.transforms", "debezium.predicates"))
        },
    }


def connector() -> dict[str, object]:
    """The body of a POST to Kafka Connect's /connectors.

    Its `${env:NAME}` are the worker's environment, by EnvVarConfigProvider under the name `env`.
    """
    settings = server_settings()
    producer = _under("debezium.sink.kafka.producer.", settings)
    config = {
        **_without_the_workers(source_settings()),
        "tasks.max": "1",
        **_converters(_under("debezium.format.", settings)),
        **{
            f"producer.override.{name}": value
            for name, value in _without_the_workers(producer).items()
        },
    }
    return {"name": NAME, "config": {name: _by_provider(value) for name, value in config.items()}}


def expand(settings: Mapping[str, str], environ: Mapping[str, str]) -> Settings:
    """Replace `${NAME}` and `${NAME:default}` by the environment's values.

    Raises KeyError for a name that has neither value nor default.
    """

    def value(match: re.Match[str]) -> str:
        name, default = match["name"], match["default"]
        return environ[name] if default is None else environ.get(name, default)

    return {name: VARIABLE.sub(value, text) for name, text in settings.items()}


def make_role(superuser: Connection) -> None:
    """Make the role, or give it the rights that it lacks; the database has the schema."""
    superuser.run(MAKE_ROLE)


def _under(prefix: str, settings: Settings) -> Settings:
    return {
        name.removeprefix(prefix): value
        for name, value in settings.items()
        if name.startswith(prefix)
    }


def _without_the_workers(settings: Settings) -> Settings:
    return {n: value for n, value in settings.items() if not n.startswith(OF_THE_WORKER)}


def _converters(formats: Settings) -> Settings:
    return {
        "key.converter": CONVERTERS[formats["key"]],
        "value.converter": CONVERTERS[formats["value"]],
        **{f"value.converter.{n}": value for n, value in _under("value.", formats).items()},
        "header.converter": formats["header.class"],
    }


def _by_provider(value: str) -> str:
    """Kafka Connect has no defaults: its environment must set every variable."""
    return VARIABLE.sub(r"${env:\g<name>}", value)


if __name__ == "__main__":
    CONNECTOR.write_text(json.dumps(connector(), indent=2) + "\n", encoding="utf-8")
