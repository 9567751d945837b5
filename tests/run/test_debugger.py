"""The debugger recipe of CONTRIBUTING.md works as it stands there."""

import os
import pty
import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from dev.ports import free_port
from tests.instance import ROOT, Instance
from tests.run.clone import environment

STOP = "        return respond(await self._service.keep(submissions))\n"


def recipe(url: str, port: int) -> str:
    """The first command of its section, on another server and port, with this environment."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    [command] = re.findall(r"^## Debugging$.*?^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert command.startswith("DATABASE_URL=postgresql://postgres@127.0.0.1:PORT/mentor ")
    command = command.replace("postgresql://postgres@127.0.0.1:PORT/mentor", url)
    return str(command.replace("--port 9000", f"--port {port}").replace(".venv", f"{ROOT}/.venv"))


@contextmanager
def in_a_terminal(command: str, folder: Path) -> Iterator[tuple[int, "subprocess.Popen[bytes]"]]:
    terminal, theirs = pty.openpty()
    process = subprocess.Popen(
        ["sh", "-c", command],
        cwd=folder,
        env=environment(TERM="dumb"),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        with process:
            yield terminal, process
            process.terminate()
    finally:
        os.close(terminal)


class Screen:
    """What the terminal shows."""

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal

    def until(self, text: str) -> str:
        shown = b""
        while text.encode() not in shown:
            shown += os.read(self._terminal, 65536)
        return shown.decode()

    def type(self, line: str) -> None:
        os.write(self._terminal, f"{line}\n".encode())


def test_a_breakpoint_opens_pdb_in_the_terminal(
    clone: Path, feedback_database: str, tmp_path: Path
) -> None:
    handler = clone / "function/http/handler.py"
    before = handler.read_text()
    assert STOP in before
    handler.write_text(before.replace(STOP, f"        breakpoint()\n{STOP}"))
    port = free_port()
    with (
        in_a_terminal(f"exec env {recipe(feedback_database, port)}", clone) as (terminal, process),
        ThreadPoolExecutor() as pool,
    ):
        screen, instance = Screen(terminal), Instance(process, port, tmp_path / "log")
        screen.until("Uvicorn running")
        answer = pool.submit(instance.post)
        screen.until("(Pdb) ")
        screen.type("p submissions[0].feedback.task_id")
        assert "'task-123'" in screen.until("(Pdb) ")
        screen.type("continue")
        assert answer.result().status == 200
