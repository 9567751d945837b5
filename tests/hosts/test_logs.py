"""One JSON line per event on stdout; readable text on a terminal."""

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dev.ports import free_port
from tests.instance import FEEDBACK, PATH, ROOT, Answer, Instance, command, running


@contextmanager
def running_on(
    stdout: int, host: str, database: str, log_file: Path, level: str
) -> Iterator[Instance]:
    """Run an instance with this stdout, and without its stderr."""
    port = free_port()
    arguments, variables = command(host, port)
    environ = {**os.environ, **variables, "DATABASE_URL": database, "LOG_LEVEL": level}
    process = subprocess.Popen(
        arguments,
        cwd=ROOT,
        env=environ,
        stdout=stdout,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield Instance(process, port, log_file).wait_until_ready()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def test_json_lines(host: str, hosts_database: str, tmp_path: Path) -> None:
    """stdout has one line of JSON per event, and nothing else."""
    log_file = tmp_path / "log"
    with (
        log_file.open("wb") as stdout,
        running_on(stdout.fileno(), host, hosts_database, log_file, "INFO") as function,
    ):
        answers = [
            function.post(FEEDBACK, {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}),
            function.request("POST", PATH, b"nonsense"),
            function.get("/nothing%0D%22%1B%E2%80%A8"),
        ]
        probe = function.get("/health/startup")
        assert function.terminate() == 0

    events = [json.loads(line) for line in log_file.read_text().splitlines()]
    for event in events:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["time"])
        assert event["level"] in ("INFO", "WARNING")
        assert event["event"]
    for answer in answers:
        [line] = [event for event in events if event.get("request_id") == request_id(answer)]
        assert (line["event"], line["status"]) == ("request", answer.status)
        assert line["duration_ms"] > 0
        assert re.fullmatch(r"[0-9a-f]{32}", line["trace_id"])
    assert [event["trace_id"] for event in events if event.get("status") == 200] == [TRACE]
    assert [event for event in events if event.get("request_id") == request_id(probe)] == []


def test_long_words(instance: Instance) -> None:
    """A client can't make a line that Docker would split."""
    instance.get("/" + "%80" * 20_000, **{"X-Request-Id": "of-a-long-path"})
    instance.request("A" * 60_000, "/", headers={"X-Request-Id": "of-a-long-method"})
    instance.get("/health/startup")  # the lines are written at the end of the event loop's turn

    lines = [line for line in instance.log.splitlines() if '"of-a-long' in line]
    assert lines
    assert all(len(line) < 16 * 1024 for line in lines)


def test_a_5xx_is_an_error(host: str, tmp_path: Path) -> None:
    """A 4xx, which is the client's fault, is not."""
    closed = f"postgresql://nobody@127.0.0.1:{free_port()}/nowhere"
    with running(tmp_path / "log", closed, host, DATABASE_TIMEOUT="0.2") as function:
        function.wait_until_ready(probe="/health/liveness")
        assert function.post().status == 503
        assert function.get("/nothing").status == 404
        function.terminate()

    lines = [event for event in function.events() if event["event"] == "request"]
    assert [(line["status"], line["level"]) for line in lines] == [(503, "ERROR"), (404, "INFO")]


@pytest.mark.parametrize(
    "environ", [{"K_SERVICE": "mentor"}, {"LOG_FORMAT": "google"}], ids=["Cloud Run", "setting"]
)
def test_cloud_logging(environ: dict[str, str], hosts_database: str, tmp_path: Path) -> None:
    """https://cloud.google.com/logging/docs/structured-logging"""
    with running(tmp_path / "log", hosts_database, **environ) as function:
        function.wait_until_ready()
        function.post(FEEDBACK, {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"})
        assert function.terminate() == 0

    [line] = [event for event in function.events() if event["message"] == "request"]
    assert line["severity"] == "INFO"
    assert line["logging.googleapis.com/trace"] == TRACE
    assert not {"level", "event", "trace_id"} & line.keys()


def request_id(answer: Answer) -> str:
    return answer.headers["x-request-id"]


def test_log_level_warning(hosts_database: str, tmp_path: Path) -> None:
    """LOG_LEVEL=warning omits requests."""
    with running(tmp_path / "log", hosts_database, LOG_LEVEL="warning") as function:
        function.wait_until_ready()
        assert function.post().status == 200
        assert function.terminate() == 0

    assert [event["event"] for event in function.events()] == ["callers are not checked"]


def test_terminal(host: str, hosts_database: str, tmp_path: Path) -> None:
    """A terminal gets plain text, without control characters of a client."""
    terminal, stdout = pty.openpty()
    with running_on(stdout, host, hosts_database, tmp_path / "log", "INFO") as function:
        os.close(stdout)
        function.post(FEEDBACK, {"X-Request-Id": "of-the-test"})
        function.get("/%1b[31mred%0A")
        assert function.terminate() == 0
    text = read_all(terminal)

    [line] = [line for line in text.splitlines() if "of-the-test" in line]
    assert re.match(
        r"\d\d:\d\d:\d\d INFO +request request_id=of-the-test trace_id=\w{32} span_id=\w{16} "
        r"method=POST ",
        line,
    )
    assert " status=200 duration_ms=" in line
    assert "{" not in line
    assert r"'/\x1b[31mred\n'" in text
    assert "\x1b" not in text


def read_all(terminal: int) -> str:
    received = b""
    with contextlib.suppress(OSError):  # what Linux says at the end of a terminal
        while part := os.read(terminal, 65536):
            received += part
    os.close(terminal)
    return received.decode()
