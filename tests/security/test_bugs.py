"""An error that quotes a student reaches no output, wherever a bug raises it."""

import json
import signal
from pathlib import Path

import pytest

from tests.instance import FEEDBACK, ROOT, running
from tests.security.canary import MESSAGE, TASK, URL_PASSWORD, found
from tests.security.conftest import Database, files
from tests.waiting import wait_until

BUGS = Path(__file__).with_name("bugs")
PLACES = ("request", "task", "callback", "future", "thread", "finalizer", "exit")


def test_uncaught_errors(database: Database, host: str, tmp_path: Path) -> None:
    """The log has the stack of each error, one JSON line for each, and no text of any."""
    log = tmp_path / "log"
    environ = {"PYTHONPATH": str(BUGS), "PYTHONDEVMODE": "1", "LOG_LEVEL": "DEBUG"}
    with running(log, database.url(), host, **environ) as function:
        function.wait_until_ready()
        answers = [
            function.post(
                {**FEEDBACK, "task_id": f"{TASK} {place}", "message": f"{MESSAGE} {place}"}
            )
            for place in PLACES
        ]
        wait_until(lambda: len(stacks(function.log)) >= len(PLACES) - 1)
        assert function.terminate() == 0

    assert [answer.status for answer in answers] == [500] + [200] * (len(PLACES) - 1)
    told = {"log": log.read_bytes(), "answer": answers[0].body}
    assert found(told, (MESSAGE, TASK, URL_PASSWORD)) == []
    at_exit = [] if host == "functions-framework" else ["exit"]  # its server ends without atexit
    assert len(stacks(function.log)) == len(PLACES[:-1]) + len(at_exit)


def stacks(log: str) -> list[str]:
    events = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    found = [event.get("stack", "") for event in events]
    return [stack for stack in found if stack.endswith("builtins.ValueError")]


@pytest.mark.parametrize("number", [signal.SIGABRT, signal.SIGSEGV])
def test_crash(database: Database, host: str, tmp_path: Path, number: signal.Signals) -> None:
    """A crash leaves a stack without values, and no core dump, even if the platform allows it."""
    log, folder = tmp_path / "log", tmp_path / "folder"
    folder.mkdir()
    (folder / "function").symlink_to(ROOT / "function")
    allow = ("prlimit", "--core=unlimited", "env", f"--chdir={folder}")
    with running(log, database.url(), host, prefix=allow, PYTHONFAULTHANDLER="1") as function:
        function.wait_until_ready()
        function.post({**FEEDBACK, "task_id": f"{TASK} {host} {number}", "message": MESSAGE})
        function.process.send_signal(number)
        assert function.process.wait(30) != 0
    assert "Fatal Python error" in function.log
    assert [name for name in files(folder) if "core" in name] == []
    assert found({"log": log.read_bytes()}, (MESSAGE, TASK, URL_PASSWORD)) == []
