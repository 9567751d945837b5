"""Generators give the types of the events good names."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.programs import program, run
from tests.events.contract import ASYNCAPI, ERASED_SCHEMA, REVISED_SCHEMA, VALUE_SCHEMA

HERE = Path(__file__).parent
SCHEMAS = (VALUE_SCHEMA, REVISED_SCHEMA, ERASED_SCHEMA)
VALUES = {"StrategyUpdatedSchema", "StrategyRevisedSchema", "StudentErasedSchema"}

pytestmark = [pytest.mark.contracts, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def names() -> Any:
    """Return the names of the types by generator."""
    return json.loads(run(program("node"), "generated_names.mjs", ASYNCAPI, *SCHEMAS, cwd=HERE))


def test_modelina(names: Any) -> None:
    """Modelina takes the titles, and makes one type of what two events have."""
    assert sorted(names["modelina"]) == [
        "PerceivedDifficulty",
        "StrategyRevised",
        "StrategyUpdated",
        "StudentErased",
    ]


@pytest.mark.parametrize(
    ("language", "helpers"), [("typescript", {"Convert"}), ("go", set()), ("java", {"Converter"})]
)
def test_quicktype(names: Any, language: str, helpers: set[str]) -> None:
    """quicktype names each value after its file, and takes the other title."""
    assert set(names[language]) - helpers == {*VALUES, "PerceivedDifficulty"}
