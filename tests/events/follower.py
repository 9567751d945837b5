"""Runs `make events` as a process, and reads its stdout while it runs."""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from dev.postgres import EmbeddedPostgres
from tests.conftest import apply_schema, open_connection
from tests.instance import ROOT

PYTHON = ROOT / ".venv-events/bin/python"
PATIENCE = 60  # seconds, for a busy machine
TOO_LONG = 6  # seconds; waiting for Debezium's heartbeat takes 10, everything else less than 1

INSERT = """
INSERT INTO feedback (student_id, task_id, message, perceived_difficulty, strategy_snapshot)
SELECT '550e8400-e29b-41d4-a716-446655440000', 'task', 'message ' || n, 'ok', '{}'
FROM generate_series(CAST(:first AS int), :last) AS n
"""


class Follower:
    """A running `make events`."""

    def __init__(self, process: "subprocess.Popen[bytes]", said: Path) -> None:
        self.process = process
        self._said = said
        self._lines: list[bytes] = []
        self._reader = threading.Thread(target=self._read, args=[process.stdout], daemon=True)
        self._reader.start()

    @property
    def said(self) -> str:
        """Its stderr so far."""
        return self._said.read_text()

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events so far, with --json."""
        return [json.loads(line) for line in list(self._lines)]

    @property
    def lines(self) -> list[bytes]:
        """The lines of stdout so far."""
        return list(self._lines)

    @property
    def messages(self) -> list[str]:
        """The students' messages among the events."""
        return [event["value"]["message"] for event in self.events]

    def until_said(self, text: str, times: int = 1) -> None:
        self._until(lambda: self.said.count(text) >= times, f"said {text!r}")

    def until_following(self, times: int = 1) -> None:
        self.until_said("Following the feedback", times)

    def until_shown(self, count: int) -> list[dict[str, Any]]:
        self._until(lambda: len(self._lines) >= count, f"shown {count} events")
        return self.events

    def until_message(self, message: str) -> None:
        self._until(lambda: message in self.messages, f"shown {message!r}")

    def ended(self) -> int:
        """Wait until it ends by itself; return its exit code."""
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return code

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """Stop it with a signal; it must end without an error."""
        self.process.send_signal(number)
        try:
            code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)  # faulthandler prints the stacks
            self.process.wait(PATIENCE)
            pytest.fail(f"it does not end after {number.name}:\n{self.said}")
        assert code == 0, self.said
        self._reader.join(PATIENCE)
        assert "Traceback" not in self.said
        assert "\nStopped. The next `make events` " in self.said

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join(PATIENCE)

    def _read(self, stdout: IO[bytes]) -> None:
        for line in stdout:
            self._lines.append(line)

    def _until(self, true: Any, what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not true():
            assert time.monotonic() < deadline, f"not {what}; it said:\n{self.said}"
            assert self.process.poll() is None or true(), f"ended, and not {what}:\n{self.said}"
            time.sleep(0.01)


@contextmanager
def following(
    folder: Path, *arguments: str, url: str | None = None, **environ: str
) -> Iterator[Follower]:
    """Run `make events` with its data in the folder until the end of the block."""
    clean = {n: v for n, v in os.environ.items() if n != "DATABASE_URL" and not n.startswith("PG")}
    database = {} if url is None else {"DATABASE_URL": url}
    said = folder / "said.txt"
    with said.open("wb") as stderr:
        process = subprocess.Popen(
            command(folder, *(arguments or ["--json"])),
            cwd=ROOT,
            env={**clean, **database, "PYTHONFAULTHANDLER": "1", **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,
        )
    follower = Follower(process, said)
    try:
        yield follower
    finally:
        if process.poll() is None:
            follower.kill()
        assert process.stdout is not None
        process.stdout.close()


def command(folder: Path, *arguments: str) -> Sequence[str | Path]:
    assert PYTHON.exists(), "`make environment-events` sets up .venv-events"
    return [PYTHON, "-m", "dev.events", "--data", folder, *arguments]


@contextmanager
def server_of_make_run(**settings: str) -> Iterator[EmbeddedPostgres]:
    """Run a server that has the database of `make run`, with the schema."""
    with EmbeddedPostgres.temporary(**settings) as server:
        apply_schema(server.create_database("mentor"))
        yield server


def insert(url: str, first: int, last: int) -> None:
    """Insert feedback with the messages `message <first>` to `message <last>`."""
    with closing(open_connection(url)) as connection:
        connection.run(INSERT, first=first, last=last)


def messages(first: int, last: int) -> list[str]:
    return [f"message {number}" for number in range(first, last + 1)]
