"""The contract of the events is valid, consistent, and matches the chain's configuration."""

import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from dev.debezium import server_settings
from function.domain import Concern
from tests.conftest import open_connection
from tests.events.contract import (
    ASYNCAPI,
    ERASED_SCHEMA,
    FIELDS,
    FIRST_FIELDS,
    JSON_IN_A_STRING,
    REVISED_SCHEMA,
    ROOT,
    VALUE_SCHEMA,
    code_blocks,
    message,
    problems,
    read,
    resolved,
)

JSON_TYPES = {
    "uuid": "string",
    "text": "string",
    "difficulty_level": "string",
    "jsonb": "string",
    "timestamp with time zone": "string",
    "double precision": "number",
}


def test_value_schema_in_asyncapi() -> None:
    """The operation of asyncapi.yaml sends the one message, whose payload is the value's schema."""
    (sent,) = resolved(read(ASYNCAPI))["operations"]["publishStrategyUpdated"]["messages"]
    assert sent == message()
    assert sent["payload"] == read(VALUE_SCHEMA)


def test_erasure() -> None:
    """An operation sends the event of an erasure, whose value's fields are the table's columns."""
    [sent] = resolved(read(ASYNCAPI))["operations"]["publishStudentErased"]["messages"]
    assert sent == message("studentErased")
    assert sent["payload"] == read(ERASED_SCHEMA)


def test_columns_of_erasures(feedback_database: str) -> None:
    """The value's fields are the table's columns, and none may be null."""
    with closing(open_connection(feedback_database)) as connection:
        columns = connection.run(
            "SELECT attname, attnotnull FROM pg_attribute"
            " WHERE attrelid = 'student_erasure'::regclass AND attnum > 0 AND NOT attisdropped"
        )
    schema = read(ERASED_SCHEMA)
    assert columns == [[name, True] for name in schema["properties"]]
    assert schema["required"] == list(schema["properties"])


def test_value_schema() -> None:
    """The values' schemas are valid JSON Schemas."""
    schema = read(VALUE_SCHEMA)
    Draft202012Validator.check_schema(schema)
    Draft202012Validator.check_schema(read(ERASED_SCHEMA))
    for name in JSON_IN_A_STRING:
        Draft202012Validator.check_schema(schema["properties"][name]["contentSchema"])


@pytest.mark.parametrize("file", [VALUE_SCHEMA, REVISED_SCHEMA, ERASED_SCHEMA])
def test_names(file: Path) -> None:
    """A schema's id and title are made of the file's name, and each choice has a title."""
    schema, name = read(file), file.name.removesuffix(".schema.json")
    assert schema["$id"] == f"urn:mathtrail:mentor:{name}"
    assert schema["title"] == name.capitalize().replace("-", " ")
    assert all("title" in field for field in schema["properties"].values() if "enum" in field)


@pytest.mark.parametrize("name", ["strategyUpdated", "studentErased"])
def test_example(name: str) -> None:
    """The example matches the schemas."""
    (example,) = message(name)["examples"]
    headers, value = example["headers"], example["payload"]
    assert problems(value["student_id"], headers, value, name) == []
    copied = [headers["ce_id"], headers["ce_time"], headers.get("ce_traceparent")]
    assert copied == [value["id"], value["created_at"], value.get("traceparent")]


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("id", None),
        ("student_id", "550E8400-E29B-41D4-A716-446655440000"),
        ("perceived_difficulty", "impossible"),
        ("difficulty_adjustment", 1.5),
        ("topic_weights", {"general": 1.0}),
        ("topic_weights", '{"general": "much"}'),
        ("strategy_snapshot", "[]"),
        ("created_at", 1795411041106193),
        ("traceparent", ""),
        ("concern", None),
        ("concern", ""),
    ],
)
def test_wrong_value(field: str, wrong: object) -> None:
    """A value that breaks the contract is found."""
    (example,) = message()["examples"]
    value = example["payload"]
    assert problems(value["student_id"], example["headers"], {**value, field: wrong}) != []


def test_new_and_missing_fields() -> None:
    """New fields, headers and concerns are allowed; only a later column may be missing."""
    (example,) = message()["examples"]
    key, headers, value = example["payload"]["student_id"], example["headers"], example["payload"]
    assert problems(key, {**headers, "ce_new": "1"}, {**value, "new": 1}) == []
    for name in headers:
        assert problems(key, {k: v for k, v in headers.items() if k != name}, value) != []
    assert problems(key, headers, {**value, "concern": "unheard_of"}) == []
    for name in FIELDS:
        rest = {k: v for k, v in value.items() if k != name}
        assert bool(problems(key, headers, rest)) == (name in FIRST_FIELDS)


def test_topic_and_headers() -> None:
    """The topic and the headers are those of Debezium's configuration."""
    transforms = {
        name.removeprefix("debezium.transforms."): value
        for name, value in server_settings().items()
    }
    described = message()
    headers = described["headers"]["properties"]
    constants = {name: schema["const"] for name, schema in headers.items() if "const" in schema}
    channel = read(ASYNCAPI)["channels"]["feedback"]

    assert transforms["topic.replacement"] == channel["address"]
    assert channel["bindings"]["kafka"]["topic"] == channel["address"]
    assert constants == {
        transforms["specversionHeader.headers"]: transforms["specversion.static.value"],
        transforms["updated.header"]: transforms["updated.value.literal"],
        transforms["source.header"]: transforms["source.value.literal"],
        transforms["contentType.header"]: transforms["contentType.value.literal"],
    }
    copied = [*transforms["copyHeaders.headers"].split(","), transforms["trace.headers"]]
    assert set(headers) == set(described["headers"]["required"]) == {*constants, *copied}
    assert described["name"] == constants["ce_type"]
    assert described["contentType"] == constants["content-type"]


def test_columns(feedback_database: str) -> None:
    """The value's fields are the table's columns."""
    with closing(open_connection(feedback_database)) as connection:
        columns = connection.run(
            "SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute"
            " WHERE attrelid = 'feedback'::regclass AND attnum > 0 AND NOT attisdropped"
        )
        levels = connection.run("SELECT unnest(enum_range(NULL::difficulty_level))::text")
    schema = read(VALUE_SCHEMA)
    assert {name: field["type"] for name, field in schema["properties"].items()} == {
        name: JSON_TYPES[kind] if never_null else [JSON_TYPES[kind], "null"]
        for name, kind, never_null in columns
    }
    assert set(schema["required"]) == set(FIRST_FIELDS)
    assert schema["properties"]["concern"]["examples"] == [concern.value for concern in Concern]
    assert [[level] for level in schema["properties"]["perceived_difficulty"]["enum"]] == levels
    assert [name for name, kind, _ in columns if kind == "jsonb"] == list(JSON_IN_A_STRING)


def test_guide_example() -> None:
    """The guide shows the example of asyncapi.yaml."""
    (example,) = message()["examples"]
    (shown,) = code_blocks("json")
    assert json.loads(shown) == example["payload"]


@pytest.mark.parametrize(("version", "environment"), [("1.x", ".venv"), ("2.x", ".venv-func")])
def test_guide_sdk(version: str, environment: str) -> None:
    """The guide's code for each version of the CloudEvents SDK parses an event, fit for JSON."""
    (example,) = message()["examples"]
    headers, value = example["headers"], example["payload"]
    (lines,) = [
        code
        for code in code_blocks("python")
        if ("from cloudevents.kafka" if version == "1.x" else "from cloudevents.core") in code
    ]
    python = sys.executable if version == "1.x" else ROOT / environment / "bin/python"
    done = subprocess.run(
        [python, "-c", RECORD.format(headers=headers, value=value) + lines + TO_JSON[version]],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [value["id"], value["traceparent"], value["student_id"]], done


TO_JSON = {
    "1.x": "from cloudevents.conversion import to_json; to_json(event)",
    "2.x": "from cloudevents.core.formats.json import JSONFormat; JSONFormat().write(event)",
}
# A record like confluent-kafka's, for environments without that package.
RECORD = """
import json

class record:
    headers = lambda: [(name, text.encode()) for name, text in {headers}.items()]
    key = lambda: {value}["student_id"].encode()
    value = lambda: json.dumps({value}).encode()

"""
