"""Linters and parsers of other projects find nothing wrong with what is published."""

import json
from pathlib import Path
from typing import Any

import pytest

from dev.tools import tool
from tests.contracts.programs import NODE_MODULES, program, run
from tests.events.contract import ASYNCAPI

HERE = Path(__file__).parent
WARNING = 1  # Spectral's severities: 0 error, 1 warning, 2 information, 3 hint

pytestmark = [pytest.mark.contracts, pytest.mark.timeout(300)]


def lint(name: str, *arguments: str | Path, cwd: Path) -> Any:
    """What a linter of npm's reports as JSON; findings are not a failure of the program."""
    return json.loads(run(program("node"), NODE_MODULES / ".bin" / name, *arguments, cwd=cwd))


def test_redocly_finds_nothing_with_its_default_rules(description: Path) -> None:
    report = lint("redocly", "lint", "--format=json", description, cwd=description.parent)

    assert report["problems"] == []
    assert report["totals"]["errors"] == 0


def test_spectral_finds_nothing_with_its_rules_for_openapi(description: Path) -> None:
    rules = description.with_name("spectral.yaml")
    rules.write_text('extends: ["spectral:oas"]')
    options = ["--format=json", "--quiet", "--fail-severity=hint", f"--ruleset={rules}"]

    assert lint("spectral", "lint", *options, description, cwd=description.parent) == []


def test_kin_openapi_takes_the_document_with_its_patterns_and_examples(description: Path) -> None:
    run(tool("kin-openapi"), "-multi", description, cwd=description.parent)


def asyncapi_findings(document: Path) -> list[Any]:
    """What @asyncapi/parser warns of; that a later AsyncAPI exists is information."""
    diagnostics = json.loads(run(program("node"), "check_asyncapi.js", document, cwd=HERE))
    return [one for one in diagnostics if one["severity"] <= WARNING]


def test_the_parser_of_asyncapi_finds_nothing(tmp_path: Path) -> None:
    assert asyncapi_findings(ASYNCAPI) == []

    spoilt = tmp_path / ASYNCAPI.name
    spoilt.write_text(ASYNCAPI.read_text().replace("action: send", "action: publish"))
    assert asyncapi_findings(spoilt) != []


def test_the_others_would_find_a_mistake(description: Path, tmp_path: Path) -> None:
    spoilt = tmp_path / "openapi.json"
    spoilt.write_text(description.read_text().replace('"type": "integer"', '"type": "int"'))

    for check in (
        test_redocly_finds_nothing_with_its_default_rules,
        test_spectral_finds_nothing_with_its_rules_for_openapi,
        test_kin_openapi_takes_the_document_with_its_patterns_and_examples,
    ):
        with pytest.raises(AssertionError):
            check(spoilt)
