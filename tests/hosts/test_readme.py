"""The README's examples of events run as they stand there."""

import re
import shlex

from tests.instance import ROOT, Answer, Instance


def examples() -> list[list[str]]:
    """The words of each curl command in the section about CloudEvents."""
    readme = (ROOT / "README.md").read_text()
    [section] = re.findall(r"^### As a CloudEvent$.*?(?=^##)", readme, re.MULTILINE | re.DOTALL)
    commands = re.findall(r"^```sh\n(curl .*?)^```$", section, re.MULTILINE | re.DOTALL)
    return [shlex.split(command) for command in commands]


def run(instance: Instance, command: list[str]) -> Answer:
    """Do what curl would do, which not every machine has."""
    headers = [command[at + 1] for at, word in enumerate(command) if word == "-H"]
    body = command[command.index("-d") + 1]
    [url] = [word for word in command if word.startswith("http://127.0.0.1:8080/")]
    path = url.removeprefix("http://127.0.0.1:8080")
    return instance.request(
        "POST", path, body.encode(), dict(line.split(": ", 1) for line in headers)
    )


def test_the_examples_of_events_are_stored_and_answered_in_their_modes(instance: Instance) -> None:
    binary, structured, batched = (run(instance, command) for command in examples())

    assert [answer.status for answer in (binary, structured, batched)] == [200] * 3
    assert binary.headers["ce-type"] == structured.json()["type"] == "mentor.strategy.updated"
    assert [update["task_id"] for update in batched.json()] == ["task-7", "task-7"]
