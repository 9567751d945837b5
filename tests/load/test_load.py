"""`make load`: k6 passes on the real function, and fails on wrong answers."""

import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from dev.tools import LOCK, tool
from tests.conftest import open_connection
from tests.instance import ROOT, running

SCRIPT = ROOT / "tests/load/run.sh"
FEEDBACK = ROOT / "tests/load/feedback.js"
# Only the checks are tested: the machine may be busy.
ANY_TIME = {"P95": "10000", "P99": "10000"}


def load(url: str, *arguments: str, stages: str = "1s:1") -> "subprocess.CompletedProcess[str]":
    """Run the script as `make load` does."""
    tool("k6")
    return subprocess.run(
        ["sh", SCRIPT, "--quiet", *arguments],
        env={**os.environ, **ANY_TIME, "URL": url, "K6_STAGES": stages},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.deploy
def test_load(feedback_database: str, tmp_path: Path) -> None:
    """Ten seconds of load pass, and each feedback is stored once."""
    summary = tmp_path / "summary.json"
    with running(tmp_path / "log", feedback_database) as function:
        function.wait_until_ready()
        url = f"http://127.0.0.1:{function.port}"
        done = load(url, "--summary-export", str(summary), stages="2s:5,6s:5,2s:0")
    assert done.returncode == 0, done.stdout + done.stderr
    checks = json.loads(summary.read_text())["root_group"]["checks"]
    stored = checks["is stored"]["passes"]
    assert stored > 100
    assert checks["is not stored twice"]["passes"] > 10
    with closing(open_connection(feedback_database)) as connection:
        sql = "SELECT count(*), count(DISTINCT student_id) FROM feedback"
        assert connection.run(sql) == [[stored, stored]]


@pytest.mark.deploy
def test_no_database(tmp_path: Path) -> None:
    """k6 fails if the function has no database."""
    nowhere = "postgresql://mentor@127.0.0.1:1/mentor"
    with running(tmp_path / "log", nowhere, DATABASE_TIMEOUT="1") as function:
        function.wait_until_ready(probe="/health/startup")
        done = load(f"http://127.0.0.1:{function.port}")
    assert done.returncode != 0
    assert "is not ready (status 503)" in done.stderr


@pytest.mark.deploy
def test_no_function() -> None:
    """k6 fails if the function does not run."""
    done = load("http://127.0.0.1:1")
    assert done.returncode != 0
    assert "start the function first" in done.stderr


@pytest.fixture
def wrong_function() -> Iterator[str]:
    """The URL of a server that is always ready, and answers 200 but not as in the contract."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), WrongAnswers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


class WrongAnswers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"student_id": "", "sentiment": "neutral"}')

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.mark.deploy
def test_wrong_answers(wrong_function: str) -> None:
    """k6 fails if the answers break the contract."""
    done = load(wrong_function)
    assert done.returncode == 99  # k6's exit code for a missed threshold
    assert "checks" in done.stderr


@pytest.fixture
def bare_machine(tmp_path: Path) -> dict[str, str]:
    """The environment of a machine that has only a shell's usual programs."""
    for name in ("sh", "awk", "sed", "dirname", "env"):
        (tmp_path / name).symlink_to(shutil.which(name) or "")
    return {"PATH": str(tmp_path), "HOME": str(tmp_path), "URL": "http://function:8080"}


def install(path: Path, program: str) -> None:
    """Install a program that prints its arguments, and fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\necho "{program} $*"\nexit 99\n')
    path.chmod(0o755)


def run_on(machine: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["sh", SCRIPT, "--vus", "3"], env=machine, capture_output=True, text=True, check=False
    )


def test_k6_program(bare_machine: dict[str, str], tmp_path: Path) -> None:
    """k6 is taken from the PATH, else from the cache, else from Docker."""
    missing = run_on(bare_machine)
    assert (missing.returncode, missing.stdout) == (1, "")
    assert "docker" in missing.stderr

    install(tmp_path / "docker", "docker")
    container = run_on(bare_machine)
    assert container.returncode == 99
    [version] = re.findall(r"^k6 .* v(\S+)$", LOCK.read_text(), re.MULTILINE)
    assert f" grafana/k6:{version} run --no-usage-report --vus 3 /feedback.js" in container.stdout
    assert " --network host --env URL " in container.stdout

    install(tmp_path / f".cache/mentor-function/tools/k6-v{version}", "built")
    assert run_on(bare_machine).stdout.startswith("built run ")

    install(tmp_path / "k6", "path")
    assert run_on(bare_machine).stdout.startswith("path run ")


def test_imports() -> None:
    """The script imports nothing from a network."""
    modules = re.findall(r"^import .* from '(.*)';$", FEEDBACK.read_text(), re.MULTILINE)
    assert modules == ["k6", "k6/http"]
    assert "require(" not in FEEDBACK.read_text()
