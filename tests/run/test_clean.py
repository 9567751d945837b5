"""`make clean` removes what was made here, unless a program uses it."""

import os
import subprocess
import sys
from pathlib import Path

from dev import paths
from dev.postgres import EmbeddedPostgres


def test_it_refuses_while_a_server_runs_here(clone: Path) -> None:
    server = EmbeddedPostgres(clone / ".data")
    server.claim()
    done = clean(clone)
    assert done.returncode == 1
    assert done.stderr == "`make run` is running here: stop it first, by Ctrl-C.\n"
    assert server.folder.exists()
    server.stop()
    assert clean(clone).returncode == 0
    assert not server.folder.exists()


def test_it_removes_the_folder_that_nobody_can_enter(clone: Path) -> None:
    outside = paths.outside_folder(clone)
    outside.mkdir()
    assert clean(clone).returncode == 0
    assert not outside.exists()


def clean(clone: Path) -> "subprocess.CompletedProcess[str]":
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # of a Python 3.11 or later
    return subprocess.run(
        ["sh", "dev/clean.sh"],
        cwd=clone,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
