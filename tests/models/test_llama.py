"""llama.cpp's real server with a real, small model."""

from pathlib import Path

import pytest

from tests.models.servers import Server, llama
from tests.models.trial import UNUSABLE, ask, messages
from tests.waiting import wait_until

pytestmark = [pytest.mark.models, pytest.mark.timeout(1800)]


def test_answers(
    llama_server: Server, llm_database: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Most answers can be used. The others are what a small model writes, or come late."""
    count, share = (60, 0.9) if request.config.getoption("--long") else (12, 0.7)
    trial = ask(llama_server, "openai", messages(count), llm_database, tmp_path / "log")
    assert trial.judged >= count / 2
    assert trial.usable >= share * trial.judged
    assert set(trial.fallbacks) <= UNUSABLE


def test_sleeping_model(llm_database: str, tmp_path: Path) -> None:
    """A question wakes a server that has unloaded its model."""
    with llama(tmp_path, idle=1) as server:
        wait_until(lambda: "entering sleeping state" in (tmp_path / "log").read_text())
        trial = ask(server, "openai", messages(3), llm_database, tmp_path / "function")
    assert trial.usable >= 1
    assert set(trial.fallbacks) <= UNUSABLE
