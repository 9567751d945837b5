"""Reads and resolves the documents for consumers, and checks records against them."""

import json
import re
from functools import cache, reduce
from operator import getitem
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.protocols import Validator

ROOT = Path(__file__).parents[2]
ASYNCAPI = ROOT / "docs/asyncapi.yaml"
VALUE_SCHEMA = ROOT / "docs/strategy-updated.schema.json"
REVISED_SCHEMA = ROOT / "docs/strategy-revised.schema.json"
ERASED_SCHEMA = ROOT / "docs/student-erased.schema.json"
GUIDE = ROOT / "docs/events.md"
JSON_IN_A_STRING = ("topic_weights", "strategy_snapshot")
# Every event has these fields. Old events lack columns that are added later.
FIRST_FIELDS = [
    "id",
    "student_id",
    "task_id",
    "message",
    "perceived_difficulty",
    "difficulty_adjustment",
    "topic_weights",
    "sentiment",
    "strategy_snapshot",
    "created_at",
    "traceparent",
]
FIELDS = [*FIRST_FIELDS, "concern"]


def read(path: Path) -> Any:
    text = path.read_text(encoding="utf-8")
    return yaml.safe_load(text) if path.suffix == ".yaml" else json.loads(text)


def resolved(document: Any) -> Any:
    """Return the document with each `$ref` replaced by its target."""

    def follow(node: Any) -> Any:
        if isinstance(node, list):
            return [follow(item) for item in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            return follow(_target(node["$ref"], document))
        return {name: follow(value) for name, value in node.items()}

    return follow(document)


def _target(reference: str, document: Any) -> Any:
    """Return a part of the document (`#/a/b`), or a file beside asyncapi.yaml."""
    file, _, pointer = reference.partition("#/")
    found = read(ASYNCAPI.parent / file) if file else document
    return reduce(getitem, pointer.split("/"), found) if pointer else found


@cache
def message(name: str = "strategyUpdated") -> Any:
    """Return a message of asyncapi.yaml, resolved."""
    return resolved(read(ASYNCAPI))["components"]["messages"][name]


def validator(schema: Any) -> Validator:
    return Draft202012Validator(schema, format_checker=FormatChecker())


def problems(
    key: str, headers: dict[str, str], value: Any, name: str = "strategyUpdated"
) -> list[str]:
    """Return how a record differs from the contract of this message."""
    described = message(name)
    parts = [
        (described["bindings"]["kafka"]["key"], key),
        (described["headers"], headers),
        (described["payload"], value),
    ]
    return [
        f"{error.json_path}: {error.message}"
        for schema, instance in parts
        for error in validator(schema).iter_errors(instance)
    ] + _problems_inside(described["payload"], value)


def _problems_inside(schema: Any, value: Any) -> list[str]:
    """Check the JSON in strings, which JSON Schema only annotates."""
    return [
        f"{name}: {error.message}"
        for name in JSON_IN_A_STRING
        if isinstance(value.get(name), str)
        for error in validator(schema["properties"][name]["contentSchema"]).iter_errors(
            json.loads(value[name])
        )
    ]


def code_blocks(language: str, guide: Path = GUIDE) -> list[str]:
    """Return the code blocks of a guide in this language."""
    text = guide.read_text(encoding="utf-8")
    return re.findall(rf"^ *```{language}\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE)
