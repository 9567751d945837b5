"""The one definition of the chain, and what is made of it."""

import json
import re

from dev.debezium import CONNECTOR, connector, server_settings
from dev.kafka.programs import WORKER


def test_the_connector_is_what_the_servers_properties_make() -> None:
    """When it fails: `make connector`."""
    assert json.loads(CONNECTOR.read_text(encoding="utf-8")) == connector()


def test_the_tests_worker_has_what_the_readme_asks_of_one() -> None:
    readme = CONNECTOR.with_name("README.md").read_text(encoding="utf-8")
    [asked] = re.findall(r"```properties\n(.*?)```", readme, flags=re.DOTALL)
    lines = {line for line in asked.splitlines() if not line.startswith("#")}
    assert lines
    assert lines <= set(WORKER.read_text().splitlines())


def transforms() -> dict[str, dict[str, str]]:
    settings, found = server_settings(), {}
    for name in settings["debezium.transforms"].split(","):
        prefix = f"debezium.transforms.{name}."
        found[name] = {
            key.removeprefix(prefix): value
            for key, value in settings.items()
            if key.startswith(prefix)
        }
    return found


def test_all_transforms_are_debeziums_and_kafka_connects_own() -> None:
    types = [transform["type"] for transform in transforms().values()]
    assert types
    assert [
        name
        for name in types
        if not name.startswith(("io.debezium.", "org.apache.kafka.connect.transforms."))
    ] == []


def test_every_transform_is_for_rows_of_feedback_only() -> None:
    assert {transform["predicate"] for transform in transforms().values()} == {"isFeedback"}
    settings = server_settings()
    assert settings["debezium.predicates.isFeedback.pattern"] == "mentor[.]public[.]feedback"
