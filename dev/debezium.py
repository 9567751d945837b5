"""The chain from row to event, for each place that Debezium runs in.

deploy/debezium/application.properties defines it, in Debezium Server's terms; what Kafka Connect
and the embedded engine want is derived from it here. `python -m dev.debezium` (`make connector`)
writes deploy/debezium/connector.json.
"""

import json
import re
from collections.abc import Mapping

import javaproperties

from dev.places import CLONE

SERVER = CLONE / "deploy/debezium/application.properties"
CONNECTOR = CLONE / "deploy/debezium/connector.json"
NAME = "mentor-feedback"

# Debezium Server's names of formats, as the converters they stand for.
CONVERTERS = {
    "simplestring": "org.apache.kafka.connect.storage.StringConverter",
    "json": "org.apache.kafka.connect.json.JsonConverter",
}
# Kafka Connect keeps offsets itself, knows its brokers, and writes bytes that converters made.
OF_THE_WORKER = ("offset.", "bootstrap.servers", "key.serializer", "value.serializer")

VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<default>[^}]*))?\}")

Settings = dict[str, str]


def server_settings() -> Settings:
    """Debezium Server's settings, with `${NAME}` where the environment decides."""
    return javaproperties.loads(SERVER.read_text(encoding="utf-8"))


def source_settings() -> Settings:
    """What is the same wherever Debezium runs: the connector's settings and the transforms."""
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
    """Put the environment's values in the place of `${NAME}` and `${NAME:default}`.

    Raises KeyError for a name that has neither value nor default.
    """

    def value(match: re.Match[str]) -> str:
        name, default = match["name"], match["default"]
        return environ[name] if default is None else environ.get(name, default)

    return {name: VARIABLE.sub(value, text) for name, text in settings.items()}


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
        "value.converter.schemas.enable": formats["value.schemas.enable"],
        "header.converter": formats["header.class"],
    }


def _by_provider(value: str) -> str:
    """Kafka Connect knows no defaults: who runs it sets every variable."""
    return VARIABLE.sub(r"${env:\g<name>}", value)


if __name__ == "__main__":
    CONNECTOR.write_text(json.dumps(connector(), indent=2) + "\n", encoding="utf-8")
