"""Generators give the types of an event good names."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.programs import program, run
from tests.events.contract import ASYNCAPI, VALUE_SCHEMA

HERE = Path(__file__).parent

pytestmark = [pytest.mark.contracts, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def names() -> Any:
    """Return the names of the types by generator."""
    return json.loads(run(program("node"), "generated_names.mjs", VALUE_SCHEMA, ASYNCAPI, cwd=HERE))


def test_modelina(names: Any) -> None:
    """Modelina takes the titles."""
    assert names["modelina"] == ["StrategyUpdated", "PerceivedDifficulty"]


@pytest.mark.parametrize(
    ("language", "helpers"), [("typescript", {"Convert"}), ("go", set()), ("java", {"Converter"})]
)
def test_quicktype(names: Any, language: str, helpers: set[str]) -> None:
    """quicktype names the value after the file, and takes the other title."""
    assert set(names[language]) - helpers == {"StrategyUpdatedSchema", "PerceivedDifficulty"}
