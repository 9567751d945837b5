"""Linters and parsers of other projects find no problem in what the project publishes."""

import json
from pathlib import Path
from typing import Any

import pytest

from dev.tools import tool
from tests.contracts.programs import NODE_MODULES, program, run
from tests.events.contract import ASYNCAPI, ERASED_SCHEMA, REVISED_SCHEMA, VALUE_SCHEMA

HERE = Path(__file__).parent
WARNING = 1  # Spectral's severities: 0 error, 1 warning, 2 information, 3 hint

pytestmark = [pytest.mark.contracts, pytest.mark.timeout(300)]


def lint(name: str, *arguments: str | Path, cwd: Path) -> Any:
    """Run a linter from npm and return its JSON report, also if it found problems."""
    return json.loads(run(program("node"), NODE_MODULES / ".bin" / name, *arguments, cwd=cwd))


def test_redocly(description: Path) -> None:
    """Redocly finds no problem with its default rules."""
    report = lint("redocly", "lint", "--format=json", description, cwd=description.parent)

    assert report["problems"] == []
    assert report["totals"]["errors"] == 0


def test_spectral(description: Path) -> None:
    """Spectral finds no problem with its rules for OpenAPI."""
    rules = description.with_name("spectral.yaml")
    rules.write_text('extends: ["spectral:oas"]')
    options = ["--format=json", "--quiet", "--fail-severity=hint", f"--ruleset={rules}"]

    assert lint("spectral", "lint", *options, description, cwd=description.parent) == []


def test_kin_openapi(description: Path) -> None:
    """kin-openapi accepts the document with its patterns and examples."""
    run(tool("kin-openapi"), "-multi", description, cwd=description.parent)


def asyncapi_findings(document: Path) -> list[Any]:
    """Return the warnings and errors of @asyncapi/parser."""
    diagnostics = json.loads(run(program("node"), "check_asyncapi.js", document, cwd=HERE))
    return [one for one in diagnostics if one["severity"] <= WARNING]


def test_asyncapi() -> None:
    """@asyncapi/parser finds no problem."""
    assert asyncapi_findings(ASYNCAPI) == []


@pytest.mark.parametrize(
    ("file", "right", "wrong"),
    [
        (ASYNCAPI, "action: send", "action: publish"),
        (ASYNCAPI, "partitions: 3", "partitions: many"),
        (ASYNCAPI, "\ninfo:", "\ninformation:"),
        (VALUE_SCHEMA, '"type": "object"', '"type": "row"'),
        (REVISED_SCHEMA, '"type": "object"', '"type": "row"'),
    ],
)
def test_asyncapi_mistake(tmp_path: Path, file: Path, right: str, wrong: str) -> None:
    """@asyncapi/parser finds deliberate mistakes, also in the values' schemas."""
    for one in (ASYNCAPI, VALUE_SCHEMA, REVISED_SCHEMA, ERASED_SCHEMA):
        text = one.read_text(encoding="utf-8")
        assert one != file or right in text
        (tmp_path / one.name).write_text(text.replace(right, wrong, 1) if one == file else text)
    assert asyncapi_findings(tmp_path / ASYNCAPI.name) != []


def test_mistake(description: Path, tmp_path: Path) -> None:
    """Redocly, Spectral and kin-openapi find a deliberate mistake."""
    spoilt = tmp_path / "openapi.json"
    spoilt.write_text(description.read_text().replace('"type": "integer"', '"type": "int"'))

    for check in (
        test_redocly,
        test_spectral,
        test_kin_openapi,
    ):
        with pytest.raises(AssertionError):
            check(spoilt)
