"""The example of a sink, which is made of the schema for consumers."""

import json
import re

from dev.sink import (
    CONNECTOR,
    ERASURES,
    FOLDER,
    SCHEMA,
    VALUE_SCHEMA,
    connector,
    erasures,
    schema,
)


def test_the_files_are_what_the_schema_of_the_value_makes() -> None:
    """When it fails: `make connector`."""
    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == schema()
    assert json.loads(CONNECTOR.read_text(encoding="utf-8")) == connector()
    assert json.loads(ERASURES.read_text(encoding="utf-8")) == erasures()


def test_the_schema_has_each_field_and_allows_null_where_the_value_does() -> None:
    described = json.loads(VALUE_SCHEMA.read_text(encoding="utf-8"))
    optional = {field["field"]: field["optional"] for field in schema()["fields"]}
    assert optional == {
        name: "null" in field["type"] or name not in described["required"]
        for name, field in described["properties"].items()
    }


def test_the_readme_names_the_variables_of_the_connector() -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    names = re.findall(r"\$\{env:(\w+)\}", CONNECTOR.read_text(encoding="utf-8"))
    assert names
    assert [name for name in names if f"`{name}`" not in readme] == []
