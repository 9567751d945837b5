"""The example of sinks in deploy/debezium/sink: they copy the events into tables elsewhere.

Kafka Connect needs a schema for that, which is made of the JSON Schema for consumers.
`python -m dev.sink` (`make connector`) writes schema.json, connector.json and erasures.json.
"""

import json
from pathlib import Path
from typing import Any

from dev.paths import CLONE

VALUE_SCHEMA = CLONE / "docs/strategy-updated.schema.json"
FOLDER = CLONE / "deploy/debezium/sink"
ERASED_SCHEMA = CLONE / "docs/student-erased.schema.json"
SCHEMA, CONNECTOR = FOLDER / "schema.json", FOLDER / "connector.json"
ERASURES = FOLDER / "erasures.json"
NAME, NAME_OF_ERASURES = "mentor-feedback-table", "mentor-erasure-table"
ERRORS = "mentor.feedback.errors"

TYPES = {"string": "string", "number": "double", "integer": "int64", "boolean": "boolean"}
# For a text of such a format or media type Debezium's sink makes a column of PostgreSQL's type.
# Other sinks ignore these names.
NAMES = {
    "uuid": "io.debezium.data.Uuid",
    "date-time": "io.debezium.time.ZonedTimestamp",
    "application/json": "io.debezium.data.Json",
}
FILTER = "org.apache.kafka.connect.transforms.Filter"
HAS_HEADER = "org.apache.kafka.connect.transforms.predicates.HasHeaderKey"
TEXT = "org.apache.kafka.connect.storage.StringConverter"

CONFIG = {
    "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector",
    "topics": "mentor.feedback",
    "tasks.max": "1",
    "connection.url": "${env:SINK_URL}",
    "connection.username": "${env:SINK_USER}",
    "connection.password": "${env:SINK_PASSWORD}",
    # A repeated event replaces its row by the same row.
    "insert.mode": "upsert",
    "primary.key.mode": "record_value",
    "primary.key.fields": "id",
    # Makes the table, and a column for each field that is added to the schema later.
    "collection.name.format": "mentor_feedback",
    "schema.evolution": "basic",
    # Drops what is not a CloudEvent, and what has a subject (mentor.strategy.revised).
    # There is no predicate for the value of a header: the column ce_type shows other types.
    "predicates": "isEvent,hasSubject",
    "predicates.isEvent.type": HAS_HEADER,
    "predicates.isEvent.name": "ce_type",
    "predicates.hasSubject.type": HAS_HEADER,
    "predicates.hasSubject.name": "ce_subject",
    "transforms": "onlyEvents,noSubject,type",
    "transforms.onlyEvents.type": FILTER,
    "transforms.onlyEvents.predicate": "isEvent",
    "transforms.onlyEvents.negate": "true",
    "transforms.noSubject.type": FILTER,
    "transforms.noSubject.predicate": "hasSubject",
    "transforms.type.type": "io.debezium.transforms.HeaderToValue",
    "transforms.type.headers": "ce_type",
    "transforms.type.fields": "ce_type",
    "transforms.type.operation": "copy",
    # Records that do not match the schema go to a topic of their own. No message of a student is
    # logged.
    "errors.tolerance": "all",
    "errors.log.enable": "true",
    "errors.log.include.messages": "false",
    "errors.deadletterqueue.topic.name": ERRORS,
    "errors.deadletterqueue.topic.replication.factor": "${env:KAFKA_REPLICATION_FACTOR}",
    "errors.deadletterqueue.context.headers.enable": "true",
    "key.converter": TEXT,
    "header.converter": TEXT,
    "value.converter": "org.apache.kafka.connect.json.JsonConverter",
    "value.converter.schemas.enable": "true",
}

# An erasure is the only event that has a subject and no trace. The other sink reports the records
# that are not JSON.
OF_FEEDBACK = ("predicates", "transforms", "errors.deadletterqueue.")
CONFIG_OF_ERASURES = {
    **{name: value for name, value in CONFIG.items() if not name.startswith(OF_FEEDBACK)},
    "collection.name.format": "mentor_erasure",
    "predicates": "hasSubject,hasTrace",
    "predicates.hasSubject.type": HAS_HEADER,
    "predicates.hasSubject.name": "ce_subject",
    "predicates.hasTrace.type": HAS_HEADER,
    "predicates.hasTrace.name": "ce_traceparent",
    "transforms": "onlySubjects,noTrace",
    "transforms.onlySubjects.type": FILTER,
    "transforms.onlySubjects.predicate": "hasSubject",
    "transforms.onlySubjects.negate": "true",
    "transforms.noTrace.type": FILTER,
    "transforms.noTrace.predicate": "hasTrace",
}


def schema(file: Path = VALUE_SCHEMA) -> dict[str, Any]:
    """The schema of a value in Kafka Connect's terms, for its JsonConverter."""
    described = json.loads(file.read_text(encoding="utf-8"))
    fields = [
        _field(name, field, required=name in described["required"])
        for name, field in described["properties"].items()
    ]
    return {"type": "struct", "optional": False, "fields": fields}


def connector() -> dict[str, Any]:
    """The body of a POST to Kafka Connect's /connectors."""
    return _connector(NAME, CONFIG, schema())


def erasures() -> dict[str, Any]:
    """The same, for the table of erasures."""
    return _connector(NAME_OF_ERASURES, CONFIG_OF_ERASURES, schema(ERASED_SCHEMA))


def _connector(name: str, config: dict[str, str], described: dict[str, Any]) -> dict[str, Any]:
    content = json.dumps(described, separators=(",", ":"))
    return {"name": name, "config": {**config, "value.converter.schema.content": content}}


def _field(name: str, described: dict[str, Any], *, required: bool) -> dict[str, Any]:
    kinds = described["type"] if isinstance(described["type"], list) else [described["type"]]
    [kind] = set(kinds) - {"null"}
    form = str(described.get("format") or described.get("contentMediaType"))
    field = {"field": name, "type": TYPES[kind], "optional": "null" in kinds or not required}
    return {**field, "name": NAMES[form]} if form in NAMES else field


def main() -> None:
    """Write the files."""
    made = ((SCHEMA, schema()), (CONNECTOR, connector()), (ERASURES, erasures()))
    for file, content in made:
        file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
