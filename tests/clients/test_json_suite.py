"""JSONTestSuite: valid JSON is accepted, invalid JSON is refused, and all hosts agree.

https://github.com/nst/JSONTestSuite
"""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.instance import FEEDBACK, PATH, Instance

REFUSAL = re.compile(r"the body is (not valid JSON|empty|nested too deeply|over \d+ bytes)")
FIELD = json.dumps(FEEDBACK)[:-1].encode() + b', "extra": %b}'
Accepts = Callable[[Instance, bytes], bool]

pytestmark = pytest.mark.clients


def is_json(instance: Instance, text: bytes) -> bool:
    """Whether the function can parse the body, even if it refuses its fields."""
    answer = instance.request("POST", PATH, text)
    assert answer.status in (200, 400, 413)
    return answer.status == 200 or not REFUSAL.match(answer.json()["message"])


def is_ignored(instance: Instance, text: bytes) -> bool:
    """Whether feedback with the text in an extra field is stored."""
    return instance.request("POST", PATH, FIELD % text).status == 200


@pytest.fixture(scope="module")
def texts(test_data: Path) -> dict[str, bytes]:
    found = {file.name: file.read_bytes() for file in test_data.glob("json-test-suite/*/*.json")}
    assert [sum(name.startswith(kind) for name in found) for kind in "yni"] == [95, 188, 35]
    return found


@pytest.mark.parametrize("accepts", [is_json, is_ignored])
def test_json_suite(
    instances: dict[str, Instance], texts: dict[str, bytes], accepts: Accepts
) -> None:
    """All hosts accept valid JSON and refuse invalid JSON, as the body and in an extra field."""
    accepted = {
        host: {name for name, text in texts.items() if accepts(instance, text)}
        for host, instance in instances.items()
    }

    for names in accepted.values():
        assert {name for name in names if name.startswith("n_")} == set()
        assert {name for name in texts if name.startswith("y_")} <= names
        assert names == accepted["uvicorn"]
