"""The README's commands in a fresh clone, and what can go wrong with them."""

import json
import os
import re
import signal
import sys
import time
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from dev.ports import free_port
from tests.instance import FEEDBACK, PATH
from tests.setup.clone import Clone, setup
from tests.setup.lock import pinned
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(600)


@pytest.mark.setup
def test_make_run(clone: Clone, oldest_pip: str) -> None:
    """`make run` installs only what serving needs, and answers; Ctrl-C stops it."""
    port = free_port()
    run = clone.start("make", "run", f"PYTHON={oldest_pip}", f"PORT={port}")
    try:
        wait_until(lambda: run.poll() is not None or listens(port), timeout=300)
        assert run.poll() is None, run.stdout and run.stdout.read()
        assert status(port, "POST", PATH, json.dumps(FEEDBACK)) == 200
    finally:
        os.killpg(run.pid, signal.SIGINT)
        output, _ = run.communicate(timeout=60)
    assert output.endswith("Stopped.\n")
    made = {path.name for path in clone.folder.glob(".venv*") if path.is_dir()}
    assert made == {".venv-uv", ".venv-run"}


def listens(port: int) -> bool:
    try:
        return status(port, "GET", "/health/ready") == 200
    except OSError:
        return False


def status(port: int, method: str, path: str, body: str | None = None) -> int:
    with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request(method, path, body)
        return connection.getresponse().status


@pytest.mark.setup
def test_make_test(clone: Clone, oldest_pip: str) -> None:
    """A part of the tests sets up only what that part needs, and prints no coverage table."""
    done = clone.run("make", "test", "ARGS=tests/unit", f"PYTHON={oldest_pip}")
    assert done.returncode == 0, done.stdout
    assert re.search(r"\d+ passed", done.stdout)
    assert "Missing" not in done.stdout
    made = {path.name for path in clone.folder.glob(".venv*") if path.is_dir()}
    assert made == {".venv-uv", ".venv"}
    cleaned = clone.run("make", "clean")
    assert cleaned.returncode == 0, cleaned.stdout
    assert "Removing .venv ..." in cleaned.stdout
    assert not list(clone.folder.glob(".venv*"))


@pytest.mark.setup
def test_it_is_never_silent_for_long(clone: Clone) -> None:
    """Setup says what it installs, and says that it is still at work at least every 5 seconds."""
    slow = {"UV_CONCURRENT_DOWNLOADS": "1"}
    said, times = [], [time.monotonic()]
    with clone.start("sh", *setup("dev.txt"), PYTHON=sys.executable, **slow) as process:
        assert process.stdout
        for line in process.stdout:
            said.append(line)
            times.append(time.monotonic())
    assert process.returncode == 0, said
    assert re.search(r"Setting up .* \d+ packages", said[0])
    steps = [line for line in said if "still working" in line]
    assert len(steps) >= int((times[-1] - times[0]) // 8)


@pytest.mark.setup
def test_ctrl_c_and_again(clone: Clone) -> None:
    """A setup that was stopped in the middle is made again by the next one."""
    stopped = clone.start("sh", *setup("dev.txt"), PYTHON=sys.executable)
    wait_until((clone.folder / ".venv-test/pyvenv.cfg").exists)
    os.killpg(stopped.pid, signal.SIGINT)
    stopped.communicate(timeout=60)
    assert stopped.returncode != 0
    assert not (clone.folder / ".venv-test/ready").exists()
    done = clone.set_up("dev.txt", PYTHON=sys.executable)
    assert done.returncode == 0, done.stdout
    assert clone.installed() == pinned("dev.txt")


@pytest.mark.setup
def test_two_at_once(clone: Clone) -> None:
    """A setup waits for another one in the same clone, and does nothing twice."""
    both = [clone.start("sh", *setup("run.txt"), PYTHON=sys.executable) for _ in range(2)]
    said = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sum("Setting up" in text for text in said) == 1
    assert sum("Waiting for another setup" in text for text in said) == 1
    assert clone.installed() == pinned("run.txt")


@pytest.mark.setup
def test_a_home_that_is_not_writable(clone: Clone) -> None:
    """Setup keeps no cache where it can't write one."""
    done = clone.set_up("build.txt", PYTHON=sys.executable, HOME="/dev/null/home")
    assert done.returncode == 0, done.stdout
    assert clone.installed() == pinned("build.txt")


@pytest.mark.setup
def test_no_network(clone: Clone) -> None:
    """Without a network, setup names the command that failed, and pip's reason."""
    nowhere = "http://127.0.0.1:9"
    environ = {"HTTPS_PROXY": nowhere, "HTTP_PROXY": nowhere, "PIP_RETRIES": "1"}
    done = clone.set_up("build.txt", PYTHON=sys.executable, **environ)
    assert done.returncode == 1
    assert "Setting up .venv-test failed" in done.stdout
    assert "ProxyError" in done.stdout


def test_an_interpreter_that_does_not_start(clone: Clone, tmp_path: Path) -> None:
    """The interpreter's own error is shown."""
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho 'version 3.13 is not installed' >&2\nexit 1\n")
    broken.chmod(0o755)
    done = clone.set_up("build.txt", PYTHON=str(broken))
    assert done.returncode == 1
    assert f"PYTHON={broken} does not start" in done.stdout
    assert "version 3.13 is not installed" in done.stdout


def test_an_interpreter_that_is_not_there(clone: Clone) -> None:
    """The shell's own error is shown."""
    done = clone.set_up("build.txt", PYTHON="/no/such/python")
    assert done.returncode == 1
    assert "PYTHON=/no/such/python does not start" in done.stdout
    assert "not found" in done.stdout


def test_an_interpreter_that_is_too_old(clone: Clone, tmp_path: Path) -> None:
    """The version is shown."""
    old = tmp_path / "old"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.10.1\n[ -z "$2" ]\n')
    old.chmod(0o755)
    done = clone.set_up("build.txt", PYTHON=str(old))
    assert done.returncode == 1
    assert "is Python 3.10.1" in done.stdout


@pytest.mark.setup
def test_another_interpreter(clone: Clone, tmp_path: Path) -> None:
    """PYTHON also replaces the interpreter of an existing environment; without it, that stays."""
    assert clone.set_up("build.txt", PYTHON=sys.executable).returncode == 0
    other = tmp_path / "python3"
    other.write_text(f'#!/bin/sh\n"{sys.executable}" "$@" | sed s,{sys.base_exec_prefix},/other,\n')
    other.chmod(0o755)
    for python, expected in ((sys.executable, False), ("", False), (str(other), True)):
        done = clone.set_up("build.txt", PYTHON=python)
        assert done.returncode == 0, done.stdout
        assert ("Setting up .venv-test" in done.stdout) == expected


@pytest.mark.setup
def test_an_interpreter_in_a_path_with_a_space(clone: Clone, tmp_path: Path) -> None:
    """PYTHON is one path, spaces or not."""
    spaced = tmp_path / "my pythons" / "python3"
    spaced.parent.mkdir()
    spaced.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    spaced.chmod(0o755)
    done = clone.run("make", "environment-func", f"PYTHON={spaced}")
    assert done.returncode == 0, done.stdout
