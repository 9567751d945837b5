"""`make run` and `make migrate` as processes, without what the developer's shell has set."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dev.ports import free_port
from tests.instance import ROOT


def environment(**changes: str) -> dict[str, str]:
    own = ("PG", "LLM_", "DATABASE_URL")
    inherited = {name: text for name, text in os.environ.items() if not name.startswith(own)}
    return inherited | {"PORT": str(free_port())} | changes


def run(module: str, **changes: str) -> tuple[int, str]:
    """Run the command until it ends; return its exit code and all that it said."""
    done = subprocess.run(
        [sys.executable, "-m", module],
        env=environment(**changes),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=55,  # the job alone waits for 60
        check=False,
    )
    return done.returncode, done.stdout


@contextmanager
def serving(log: Path, **changes: str) -> Iterator[str]:
    """Run `make run` until the end of the block; yield what it said until it was ready."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "dev.run"],
            env=environment(**changes),
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + 60
        while "To stop it" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield log.read_text()
    finally:
        process.terminate()
        process.wait(30)
