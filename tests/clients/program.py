"""Programs in other languages that send requests with the libraries of their language.

Each line of stdin is a task in JSON, and each line of stdout its result. A task has a `client` and
a `url`. For an SDK it also has a `mode` ("binary" or "structured") and an `event` in JSON, for
other clients the `headers`, the `body`, and whether to send it in chunks. A result has the answer's
`status`, `headers` and `body`, and the `event` that an SDK reads from it.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

from dev.kafka import jars
from dev.tools import go as run_go
from tests.contracts.programs import program, run

HERE = Path(__file__).parent
Command = list[str | Path]


@dataclass(frozen=True)
class Program:
    """A running program."""

    process: "Popen[str]"

    def do(self, **task: object) -> Any:
        assert self.process.stdin
        assert self.process.stdout
        print(json.dumps(task), file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())


@contextmanager
def running(command: Command) -> Iterator[Program]:
    with Popen(command, stdin=PIPE, stdout=PIPE, text=True, encoding="utf-8") as process:
        yield Program(process)


def go(folder: Path) -> Command:
    run_go(HERE / "go", "build", "-o", folder / "client")
    return [folder / "client"]


def javascript(_: Path) -> Command:
    return [program("node"), HERE / "js/client.mjs"]


def java(folder: Path) -> Command:
    class_path = os.pathsep.join(map(str, [*jars.fetch("clients"), folder]))
    options: Command = ["-nowarn", "-d", folder, "-cp", class_path]
    run(program("javac"), *options, HERE / "java/Client.java", cwd=folder)
    return [program("java"), "-Dfile.encoding=UTF-8", "-cp", class_path, "Client"]


LANGUAGES = {"go": go, "javascript": javascript, "java": java}
