"""Lines of requests wait for the end of the event loop's turn, and never longer."""

import asyncio
import json
import logging
import sys
import threading
from pathlib import Path

import pytest

from function import logs


@pytest.fixture(autouse=True)
def pytests_hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give pytest its hooks for uncaught errors back, after the test."""
    for module, name in (
        (sys, "excepthook"),
        (sys, "unraisablehook"),
        (threading, "excepthook"),
    ):
        monkeypatch.setattr(module, name, getattr(module, name))


def events(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [json.loads(line)["event"] for line in capsys.readouterr().out.splitlines()]


def test_the_end_of_a_turn_writes_its_requests(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("INFO", "json")

    async def turn() -> None:
        logs.write_request(logging.INFO, {})
        logs.write_request(logging.INFO, {})
        assert events(capsys) == []
        await asyncio.sleep(0)
        assert events(capsys) == ["request", "request"]

    asyncio.run(turn())


def test_another_event_keeps_the_order(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("INFO", "json")

    async def turn() -> None:
        logs.write_request(logging.INFO, {})
        logging.getLogger("function.test").warning("after the request")

    asyncio.run(turn())
    assert events(capsys) == ["request", "after the request"]


def test_an_event_is_written_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python collects what it writes to a file or a pipe, unless PYTHONUNBUFFERED is set."""
    file = tmp_path / "stdout"
    with file.open("w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        logs.configure("INFO", "json")
        logging.getLogger("function.test").warning("a danger")
        assert json.loads(file.read_text())["event"] == "a danger"


def test_a_loop_without_another_turn_loses_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("INFO", "json")

    loop = asyncio.new_event_loop()
    loop.call_soon(loop.stop)
    loop.call_soon(logs.write_request, logging.INFO, {})
    loop.run_forever()
    loop.close()
    logs.flush()
    assert events(capsys) == ["request"]


def test_another_thread_writes_meanwhile(capsys: pytest.CaptureFixture[str]) -> None:
    """A flush while a line is being rendered does not lose the line."""

    def render(*_event: object) -> str:
        handler.flush()  # as a thread that logs at this moment
        return '{"event": "request"}'

    handler = logs.EventHandler(render)

    async def turn() -> None:
        handler.write("INFO", "request", {})

    asyncio.run(turn())
    handler.flush()
    assert events(capsys) == ["request"]
