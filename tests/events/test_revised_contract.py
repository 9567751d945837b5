"""The contract of mentor.strategy.revised: asyncapi.yaml, the schema, Debezium and the table."""

from contextlib import closing
from typing import Any

from jsonschema import Draft202012Validator

from dev.debezium import server_settings
from function.domain import Concern
from tests.conftest import open_connection
from tests.events.contract import (
    ASYNCAPI,
    REVISED_SCHEMA,
    VALUE_SCHEMA,
    message,
    problems,
    read,
    resolved,
)

REVISED = "strategyRevised"


def example() -> Any:
    [shown] = message(REVISED)["examples"]
    return shown


def test_value_schema_in_asyncapi() -> None:
    """The operation sends the message, whose payload is the value's schema."""
    [sent] = resolved(read(ASYNCAPI))["operations"]["publishStrategyRevised"]["messages"]
    assert sent == message(REVISED)
    assert sent["payload"] == read(REVISED_SCHEMA)
    Draft202012Validator.check_schema(sent["payload"])


def test_example() -> None:
    """The example matches the schemas, and names the feedback of the other example."""
    headers, value = example()["headers"], example()["payload"]
    assert problems(value["student_id"], headers, value, REVISED) == []
    copied = ["id", "created_at", "traceparent", "feedback_id"]
    names = ["ce_id", "ce_time", "ce_traceparent", "ce_subject"]
    assert [headers[name] for name in names] == [value[name] for name in copied]
    [feedback] = message()["examples"]
    assert value["feedback_id"] == feedback["headers"]["ce_id"]


def test_new_and_missing_fields() -> None:
    """New fields, headers and concerns are allowed; missing ones are not."""
    headers, value = example()["headers"], example()["payload"]
    key, grown = value["student_id"], {**value, "new": 1, "concern": "unheard_of"}
    assert problems(key, {**headers, "ce_new": "1"}, grown, REVISED) == []
    for name in headers:
        rest = {k: v for k, v in headers.items() if k != name}
        assert problems(key, rest, value, REVISED) != []
    for name in value:
        rest = {k: v for k, v in value.items() if k != name}
        assert problems(key, headers, rest, REVISED) != []


def test_each_type_of_event_is_inserted_by_debezium() -> None:
    """The messages that asyncapi.yaml sends are those that a transform names."""
    literals = [
        value
        for name, value in server_settings().items()
        if name.endswith(".value.literal") and value.startswith("mentor.")
    ]
    operations = resolved(read(ASYNCAPI))["operations"].values()
    messages = [one for operation in operations for one in operation["messages"]]
    assert literals == [one["name"] for one in messages]
    for one in messages:
        assert one["headers"]["properties"]["ce_type"]["const"] == one["name"]


def test_what_both_events_have_means_the_same() -> None:
    """A field of both has the same form, but is never null in a revision."""
    feedback, revision = (read(file)["properties"] for file in (VALUE_SCHEMA, REVISED_SCHEMA))
    # A limit that allows no question makes no revision.
    del feedback["strategy_snapshot"]["contentSchema"]["properties"]["not_asked"]
    for name in (feedback.keys() & revision.keys()) - {"task_id"}:
        assert form(revision[name]) == form(feedback[name])
        assert isinstance(revision[name]["type"], str)


def form(schema: dict[str, Any]) -> dict[str, Any]:
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"], "null"]
    return {**schema, "type": kinds, "description": ""}


def test_columns(feedback_database: str) -> None:
    """The value's fields are the table's columns."""
    with closing(open_connection(feedback_database)) as connection:
        columns = connection.run(
            "SELECT attname, attnotnull FROM pg_attribute"
            " WHERE attrelid = 'strategy_revision'::regclass AND attnum > 0 AND NOT attisdropped"
        )
    schema = read(REVISED_SCHEMA)
    nullable = {
        name: isinstance(field["type"], list) for name, field in schema["properties"].items()
    }
    assert nullable == {name: not never_null for name, never_null in columns}
    assert schema["required"] == [name for name, _ in columns]
    assert schema["properties"]["concern"]["examples"] == [concern.value for concern in Concern]
