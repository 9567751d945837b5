"""A copy of the clone to edit, and `make run` in it."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from dev import paths
from dev.ports import free_port
from tests.instance import ROOT, Instance
from tests.waiting import wait_until

# Tests of other processes may write their coverage and compiled modules just now.
PASSING = (".coverage*", "*.pyc.*")
MADE_HERE = shutil.ignore_patterns(
    ".git", ".venv*", ".data", ".*_cache", ".hypothesis", "build", "node_modules", *PASSING
)


@contextmanager
def copied_clone() -> Iterator[Path]:
    """Not in pytest's tmp_path: root's is closed to the account that PostgreSQL runs under."""
    with paths.temporary_folder("test-clone-") as folder:
        shutil.copytree(ROOT, folder, ignore=MADE_HERE, dirs_exist_ok=True)
        try:
            yield folder
        finally:
            shutil.rmtree(paths.outside_folder(folder), ignore_errors=True)


def environment(**variables: str) -> Mapping[str, str]:
    """Ours, without what names a server of PostgreSQL or a folder for coverage."""
    unwanted = ("PG", "COV", "DATABASE_URL", "LLM_")
    kept = {name: text for name, text in os.environ.items() if not name.startswith(unwanted)}
    return {**kept, **variables}


def run(module: str, **variables: str) -> tuple[int, str]:
    """Run the command of dev/ until it ends; return its exit code and its output."""
    done = subprocess.run(
        [sys.executable, "-m", module],
        env=environment(PORT=str(free_port()), **variables),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=55,  # the job alone waits for 60
        check=False,
    )
    return done.returncode, done.stdout


class Run(Instance):
    """`make run`, and the function that it serves."""

    def __init__(
        self, clone: Path, process: "subprocess.Popen[bytes]", port: int, log: Path
    ) -> None:
        super().__init__(process, port, log)
        self.clone = clone

    def until_said(self, text: str, times: int = 1) -> None:
        def said() -> bool:
            assert self.process.poll() is None or text in self.log, self.log
            return self.log.count(text) >= times

        wait_until(said, timeout=100)

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.clone / file
        before = path.read_text()
        assert old in before
        self.write(file, before.replace(old, new))

    def write(self, file: str, text: str) -> None:
        """In one step, as many an editor does."""
        new = self.clone / f"{file}.new"
        new.write_text(text)
        new.rename(self.clone / file)

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)


@contextmanager
def make_run(clone: Path, log: Path, **variables: str) -> Iterator[Run]:
    """Run it until the end of the block; it is ready."""
    port = free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "dev.run"],
            cwd=clone,
            env=environment(PORT=str(port), **variables),
            stdout=output,
            stderr=output,
        )
    with process:
        run = Run(clone, process, port, log)
        try:
            run.until_said("The function is ready.")
            yield run
        finally:
            process.terminate()
