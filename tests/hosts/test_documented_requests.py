"""The requests in the README and docs/ work as written, and requests.http has the same ones."""

import json
import re
import shlex
from pathlib import Path
from typing import Any, NamedTuple

from tests.instance import ROOT, Answer, Instance, running

SERVER = "http://127.0.0.1:8080"


class Sent(NamedTuple):
    """A request. `same` leaves out the Content-Type of JSON, because `curl -d` does not send it."""

    url: str
    headers: dict[str, str]
    body: str

    def same(self) -> tuple[str, list[tuple[str, str]], Any]:
        plain = ("Content-Type", "application/json")
        headers = sorted(header for header in self.headers.items() if header != plain)
        return self.url, headers, json.loads(self.body)

    def send(self, instance: Instance) -> Answer:
        assert self.url.startswith(SERVER)
        path = self.url.removeprefix(SERVER)
        return instance.request("POST", path, self.body.encode(), self.headers)


def documented() -> list[Sent]:
    """The documented curl commands, without repeats."""
    files = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    commands = re.findall(r"^curl (?:.*\\\n)*.*'(?:[^']*)'$", text, re.MULTILINE)
    assert len(commands) == len(re.findall(r"^curl ", text, re.MULTILINE)), "one is untested"
    sent = [_parsed(shlex.split(command)) for command in commands]
    return [one for at, one in enumerate(sent) if one not in sent[:at]]


def _parsed(command: list[str]) -> Sent:
    [url] = [word for word in command if word.startswith("http://")]
    lines = [command[at + 1] for at, word in enumerate(command) if word == "-H"]
    headers = dict(line.split(": ", 1) for line in lines)
    return Sent(url, headers, command[command.index("-d") + 1])


def requests_file() -> list[Sent]:
    """The requests in requests.http, parsed by the rules that all editors share."""
    parts = re.split(r"^###.*\n", (ROOT / "requests.http").read_text(), flags=re.MULTILINE)[1:]
    sent = []
    for part in parts:
        head, body = part.split("\n\n", 1)
        first, *lines = head.splitlines()
        headers = dict(line.split(": ", 1) for line in lines)
        sent.append(Sent(first.removeprefix("POST "), headers, body))
    return sent


def test_requests_http() -> None:
    """requests.http contains the documented requests, in the same order."""
    assert [one.same() for one in requests_file()] == [one.same() for one in documented()]


def test_documented_requests(host: str, feedback_database: str, tmp_path: Path) -> None:
    """Each documented request gets 200 in its own mode, in a database of its own."""
    with running(tmp_path / "log", feedback_database, host) as instance:
        instance.wait_until_ready()
        plain, binary, structured, batched = (one.send(instance) for one in documented())
    assert [one.status for one in (plain, binary, structured, batched)] == [200] * 4
    assert plain.json()["task_id"] == "task-123"
    assert binary.headers["ce-type"] == structured.json()["type"] == "mentor.strategy.updated"
    assert [update["task_id"] for update in batched.json()] == ["task-7", "task-7"]
