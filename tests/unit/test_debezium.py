"""The one definition of the chain, and what is made of it."""

import json
import re

import pytest

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


@pytest.mark.parametrize(
    ("topic", "types"),
    [
        ("mentor.public.feedback", ["mentor.strategy.updated"]),
        ("mentor.public.strategy_revision", ["mentor.strategy.revised"]),
        ("mentor.public.student_erasure", ["mentor.student.erased"]),
        ("__debezium-heartbeat.mentor", []),
        ("mentor.public.feedback_copy", []),
    ],
)
def test_each_table_has_one_type_of_event_and_other_records_are_left_alone(
    topic: str, types: list[str]
) -> None:
    applied = [one for one in transforms().values() if matches(one["predicate"], topic)]
    assert [one["value.literal"] for one in applied if one.get("header") == "ce_type"] == types
    routers = [one for one in applied if one["type"].endswith(".RegexRouter")]
    assert [re.sub(one["regex"], one["replacement"], topic) for one in routers] == (
        ["mentor.feedback"] * len(types)
    )
    assert bool(applied) == bool(types)


def matches(predicate: str, topic: str) -> bool:
    return bool(re.fullmatch(server_settings()[f"debezium.predicates.{predicate}.pattern"], topic))


def test_each_table_has_its_key_and_the_order_of_its_snapshot() -> None:
    settings = server_settings()
    tables = settings["debezium.source.table.include.list"].split(",")
    overrides = "debezium.source.snapshot.select.statement.overrides"
    keys = ";".join(f"{table}:student_id" for table in tables)
    assert settings["debezium.source.message.key.columns"] == keys
    assert settings[overrides].split(",") == tables
    for table in tables:
        ordered = f"SELECT * FROM {table} ORDER BY created_at"
        assert settings[f"{overrides}.{table}"] == ordered
