"""JSONTestSuite: what is JSON is accepted, what is not is refused, and all hosts agree.

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

pytestmark = pytest.mark.clients


def as_body(text: bytes) -> bytes:
    return text


def as_field(text: bytes) -> bytes:
    return FIELD % text


Form = Callable[[bytes], bytes]


@pytest.fixture(scope="module")
def texts(test_data: Path) -> dict[str, bytes]:
    found = {file.name: file.read_bytes() for file in test_data.glob("json-test-suite/*/*.json")}
    assert [sum(name.startswith(kind) for name in found) for kind in "yni"] == [95, 188, 35]
    return found


def is_json(instance: Instance, body: bytes) -> bool:
    """Whether the function could parse it; what it then says of its fields does not matter."""
    answer = instance.request("POST", PATH, body)
    assert answer.status in (200, 400, 413)
    return answer.status == 200 or not REFUSAL.match(answer.json()["message"])


@pytest.mark.parametrize("form", [as_body, as_field])
def test_all_hosts_accept_and_refuse_the_same(
    instances: dict[str, Instance], texts: dict[str, bytes], form: Form
) -> None:
    accepted = {
        host: {name for name, text in texts.items() if is_json(instance, form(text))}
        for host, instance in instances.items()
    }

    for names in accepted.values():
        assert {name for name in names if name.startswith("n_")} == set()
        assert {name for name in texts if name.startswith("y_")} <= names
        assert names == accepted["uvicorn"]


def test_any_json_in_an_extra_field_costs_no_feedback(
    instances: dict[str, Instance], texts: dict[str, bytes]
) -> None:
    for instance in instances.values():
        refused = {
            name
            for name, text in texts.items()
            if name.startswith("y_")
            and instance.request("POST", PATH, as_field(text)).status != 200
        }
        assert refused == set()
