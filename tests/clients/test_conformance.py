"""The CloudEvents conformance scenarios of the HTTP binding.

https://github.com/cloudevents/conformance/blob/main/features/http-protocol-binding.feature

The function accepts one type of event. So the scenarios are sent twice: unchanged, to test that all
their attributes are read, and as feedback, to test that it is one event in all modes.
"""

import json
import re
import textwrap
import uuid
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.hosts.conftest import Rows
from tests.instance import FEEDBACK, PATH, Answer, Instance

SUBMITTED = "mentor.feedback.submitted"
CONTENT_TYPE = re.compile(r"\| (\w+/\S.*?) +\|$", re.MULTILINE)

pytestmark = pytest.mark.clients


class Scenario(NamedTuple):
    """One request of the feature, for one of its examples."""

    headers: dict[str, str]
    body: str

    def send(self, instance: Instance) -> Answer:
        headers = {**self.headers, "Content-Length": str(len(self.body))}
        return instance.request("POST", PATH, self.body.encode(), headers)

    def as_feedback(self, student: str) -> "Scenario":
        """The same event, but of our type and with our data."""
        data = {**FEEDBACK, "student_id": student}
        document = json.loads(self.body)
        if "specversion" in document:
            changed = {**document, "type": SUBMITTED, "data": data}
            return Scenario(self.headers, json.dumps(changed))
        return Scenario({**self.headers, "ce-type": SUBMITTED}, json.dumps(data))


@pytest.fixture(scope="module")
def scenarios(test_data: Path) -> list[Scenario]:
    """Both content modes, each with two content types."""
    text = (test_data / "cloudevents-conformance/http-protocol-binding.feature").read_text()
    found = []
    for outline in text.split("Scenario Outline:")[1:]:
        request = textwrap.dedent(outline.split('"""')[1]).strip()
        for content_type in CONTENT_TYPE.findall(outline.split("Examples:")[1]):
            head, _, body = request.replace("<contentType>", content_type).partition("\n\n")
            headers = dict(line.split(": ", 1) for line in head.splitlines()[1:])
            found.append(Scenario(headers, body))
    assert len(found) == 4
    return found


def test_attributes(instance: Instance, scenarios: list[Scenario]) -> None:
    """The function reads all attributes of each scenario, and refuses only its type."""
    for scenario in scenarios:
        answer = scenario.send(instance)
        assert (answer.status, answer.json()["message"]) == (400, f"type must be {SUBMITTED}")


def test_modes(instance: Instance, scenarios: list[Scenario], rows: Rows) -> None:
    """Each scenario as feedback is the same event, and is answered in its own mode."""
    student = str(uuid.uuid4())

    answers = [scenario.as_feedback(student).send(instance) for scenario in scenarios]

    assert [answer.status for answer in answers] == [200] * 4
    [row] = rows(student)
    for answer, scenario in zip(answers, scenarios, strict=True):
        structured = scenario.headers["Content-Type"].startswith("application/cloudevents")
        found = answer.json() if structured else binary_event(answer)
        assert found["specversion"] == "1.0"
        assert (found["id"], found["type"]) == (str(row["id"]), "mentor.strategy.updated")
        assert found["data"]["student_id"] == student
        assert answer.headers["content-type"].startswith(
            "application/cloudevents+json" if structured else "application/json"
        )


def binary_event(answer: Answer) -> dict[str, Any]:
    attributes = {name[3:]: it for name, it in answer.headers.items() if name.startswith("ce-")}
    return {**attributes, "data": answer.json()}
