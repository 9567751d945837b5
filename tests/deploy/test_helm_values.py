"""The Helm chart's values: each is explained and checked, and a wrong one is named."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from dev.manifests import CHART, PRODUCTION, RenderError, templated

VALUES = (CHART / "values.yaml").read_text(encoding="utf-8")
SCHEMA = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))


def test_the_schema_checks_just_the_values_that_there_are() -> None:
    Draft7Validator.check_schema(SCHEMA)
    of_schema = set(checked(SCHEMA)) - {"global"}  # Helm's own
    assert of_schema == set(named(yaml.safe_load(VALUES)))


def named(values: Any, above: str = "") -> Iterator[str]:
    """The values with what is above them: `image.tag`."""
    for name, value in values.items():
        if isinstance(value, dict) and value and name not in {"requests", "limits"}:
            yield from named(value, f"{above}{name}.")
        else:
            yield above + name


def checked(schema: Any, above: str = "") -> Iterator[str]:
    """The same, of the schema; nothing else may be set there."""
    assert schema["additionalProperties"] is False
    for name, inner in schema["properties"].items():
        if "properties" in inner:
            yield from checked(inner, f"{above}{name}.")
        else:
            yield above + name


def test_each_section_of_the_values_begins_with_what_it_is_for() -> None:
    lines = VALUES.splitlines()
    sections = [number for number, line in enumerate(lines) if re.match(r"\w", line)]
    assert len(sections) == len(yaml.safe_load(VALUES))
    assert [lines[number] for number in sections if not lines[number - 1].startswith("#")] == []


@pytest.mark.deploy
@pytest.mark.parametrize(
    ("setting", "place"),
    [
        ("image.tag=latest", "/image/tag"),
        ("image.repository=", "/image/repository"),
        ("database.host=", "/database/host"),
        ("database.port=no", "/database/port"),
        ("database.sslmode=verify_full", "/database/sslmode"),
        ("scale.maximum=3", "'maximum'"),
        ("scale.window=1 minute", "/scale/window"),
        ("concurrency=512", "/concurrency"),
        ("llm.provider=azure", "/llm/provider"),
        ("llm.model=", "/llm/model"),
        ("llm.timeout=15", "llm.timeout"),
        ("replicas=2", "'replicas'"),
    ],
)
def test_a_wrong_value_is_named(setting: str, place: str) -> None:
    with pytest.raises(RenderError, match=re.escape(place)):
        templated("--values", PRODUCTION, f"--set={setting}")


@pytest.mark.deploy
@pytest.mark.parametrize("required", ["/image/repository", "/database/host"])
def test_a_release_needs_an_image_and_a_database(required: str) -> None:
    with pytest.raises(RenderError, match=required):
        templated()
