"""The README's commands in a fresh clone, and their possible errors."""

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
    """A part of the tests sets up only its own environments, and prints no coverage table."""
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
def test_progress(clone: Clone) -> None:
    """Setup prints what it installs, and shows progress at least every 5 seconds."""
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
def test_interrupted(clone: Clone) -> None:
    """A setup that was interrupted is completed by the next one."""
    stopped = clone.start("sh", *setup("dev.txt"), PYTHON=sys.executable)
    # With a full cache the rest takes less than the wait between two looks.
    wait_until((clone.folder / ".venv-uv/pyvenv.cfg").exists)
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
def test_read_only_home(clone: Clone) -> None:
    """Setup works without a home folder that it can write to."""
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


BROKEN = "#!/bin/sh\necho 'version 3.13 is not installed' >&2\nexit 1\n"
OLD = '#!/bin/sh\n[ "$1" = --version ] && echo Python 3.10.1\n[ -z "$2" ]\n'


@pytest.mark.parametrize(
    ("script", "problem", "reason"),
    [
        (BROKEN, "does not start", "version 3.13 is not installed"),
        (None, "does not start", "not found"),
        (OLD, "is Python 3.10.1", ""),
    ],
    ids=["broken", "missing", "too old"],
)
def test_unusable_interpreter(
    clone: Clone, tmp_path: Path, script: str | None, problem: str, reason: str
) -> None:
    """Setup names the interpreter that it can't use, with the interpreter's own error."""
    python = tmp_path / "python"
    if script:
        python.write_text(script)
        python.chmod(0o755)
    done = clone.set_up("build.txt", PYTHON=str(python))
    assert done.returncode == 1
    assert f"PYTHON={python} {problem}" in done.stdout
    assert reason in done.stdout


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
def test_path_with_space(clone: Clone, tmp_path: Path) -> None:
    """The path in PYTHON may contain a space."""
    spaced = tmp_path / "my pythons" / "python3"
    spaced.parent.mkdir()
    spaced.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    spaced.chmod(0o755)
    done = clone.run("make", "environment-func", f"PYTHON={spaced}")
    assert done.returncode == 0, done.stdout
