"""The Helm chart's values are described and checked, and errors name the wrong one."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from dev.manifests import CHART, PRODUCTION, RenderError, templated
from tests.deploy.manifests import find, parse
from tests.deploy.schemas import problems

VALUES = (CHART / "values.yaml").read_text(encoding="utf-8")
SCHEMA = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
OF_CHART = SCHEMA["definitions"]["variableOfTheChart"]["enum"]
SECRET = {"LLM_API_KEY", "PGPASSWORD", "DATABASE_URL"}


def test_schema() -> None:
    """The schema has exactly the values of values.yaml."""
    Draft7Validator.check_schema(SCHEMA)
    of_schema = set(checked(SCHEMA)) - {"global"}  # Helm's own
    assert of_schema == set(named(yaml.safe_load(VALUES)))


def named(values: Any, above: str = "") -> Iterator[str]:
    """Yield the full names of the values, such as `image.tag`."""
    for name, value in values.items():
        if isinstance(value, dict) and value and name not in {"requests", "limits"}:
            yield from named(value, f"{above}{name}.")
        else:
            yield above + name


def checked(schema: Any, above: str = "") -> Iterator[str]:
    """Yield the full names in the schema, which may allow no others."""
    assert schema["additionalProperties"] is False
    for name, inner in schema["properties"].items():
        if "properties" in inner:
            yield from checked(inner, f"{above}{name}.")
        else:
            yield above + name


def test_defaults() -> None:
    """Each value with a default is required, because Helm removes a value that is null."""
    assert set(required(SCHEMA, yaml.safe_load(VALUES))) == {"image.repository", "database.host"}


def required(schema: Any, values: Any, above: str = "") -> Iterator[str]:
    """Yield required values without a default; check that all others are required."""
    for name, value in values.items():
        inner = schema["properties"][name]
        if "properties" in inner:
            yield from required(inner, value, f"{above}{name}.")
        if value in ("", None, [], {}):
            if name in schema["required"]:
                yield above + name
        else:
            assert name in schema["required"], above + name


def test_comments() -> None:
    """Each section of values.yaml starts with a comment."""
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
        ("scale.window=5s", "/scale/window"),
        ("scale.window=0m", "/scale/window"),
        ("scale.window=3601s", "/scale/window"),
        ("scale.window=61m", "/scale/window"),
        ("scale.window=2h", "/scale/window"),
        ("scale.downDelay=61m", "/scale/downDelay"),
        ("scale.retention=2h", "/scale/retention"),
        ("scale.min=21", "scale.min"),
        ("scale.max=0", "/scale/max"),
        ("scale.max=2147483648", "/scale/max"),
        ("scale=null", "'scale'"),
        ("database.host=null", "'host'"),
        ("llm.model=null", "'model'"),
        ("resources.limits.memory=1.2.3", "/resources/limits/memory"),
        ("resources.limits.memory=256mi", "/resources/limits/memory"),
        ("resources.requests.cpu=-1", "/resources/requests/cpu"),
        ("concurrency=512", "/concurrency"),
        ("llm.provider=azure", "/llm/provider"),
        ("llm.model=", "/llm/model"),
        ("llm.timeout=15", "llm.timeout"),
        ("replicas=2", "'replicas'"),
    ],
)
def test_wrong_value(setting: str, place: str) -> None:
    """The error names the wrong value."""
    with pytest.raises(RenderError, match=re.escape(place)):
        templated("--values", PRODUCTION, f"--set={setting}")


@pytest.mark.deploy
@pytest.mark.parametrize(
    "setting",
    [
        "scale.window=6s",
        "scale.window=1h",
        "scale.downDelay=3600s",
        "scale.retention=60m",
        "scale.min=20",
        "resources.limits.cpu=2",
        "resources.limits.cpu=1.5",
        "resources.limits.memory=1Gi",
        "resources.limits.cpu=null",
        "env=null,visibility=public",
        "llm.baseUrl=null",
    ],
)
def test_valid_value(setting: str) -> None:
    """Values that a cluster accepts are accepted."""
    manifests = parse(templated("--values", PRODUCTION, f"--set={setting}"))
    assert [found for manifest in manifests for found in problems(manifest)] == []


@pytest.mark.deploy
@pytest.mark.parametrize("name", [*OF_CHART, "lower"])
def test_env(name: str) -> None:
    """`env` can't set a secret or a variable that the chart sets."""
    with pytest.raises(RenderError, match=f"'{name}'"):
        templated("--values", PRODUCTION, f"--set-string=env.{name}=1")


@pytest.mark.deploy
def test_own_variables() -> None:
    """The schema lists all variables that the chart sets."""
    made = templated("--values", PRODUCTION, "--set=llm.baseUrl=https://model.example.com")
    assert set(find(parse(made), "ConfigMap")["data"]) | SECRET == set(OF_CHART)


@pytest.mark.deploy
def test_large_number(tmp_path: Path) -> None:
    """A large number is not rendered in scientific notation."""
    values = tmp_path / "values.yaml"
    values.write_text("scale: {min: 1000000, max: 1000000}")
    made = find(parse(templated("--values", PRODUCTION, "--values", values)), "Service")
    annotations = made["spec"]["template"]["metadata"]["annotations"]
    assert annotations["autoscaling.knative.dev/max-scale"] == "1000000"


@pytest.mark.deploy
@pytest.mark.parametrize("required", ["/image/repository", "/database/host"])
def test_required_values(required: str) -> None:
    """A release needs an image and a database."""
    with pytest.raises(RenderError, match=required):
        templated()
