"""LiteLLM's proxy in front of llama.cpp's server, asked in both formats."""

from pathlib import Path

import pytest

from tests.models.servers import Server
from tests.models.trial import UNUSABLE, ask, messages

pytestmark = [pytest.mark.models, pytest.mark.timeout(900)]


def test_answers(provider: str, litellm_server: Server, llm_database: str, tmp_path: Path) -> None:
    """The proxy passes questions, schemas and answers on."""
    trial = ask(litellm_server, provider, messages(4), llm_database, tmp_path / "log")
    assert trial.judged >= 2
    assert trial.usable >= trial.judged / 2
    assert set(trial.fallbacks) <= UNUSABLE


def test_unknown_model(
    provider: str, litellm_server: Server, llm_database: str, tmp_path: Path
) -> None:
    """The proxy answers 400, which is no message's fault, so the circuit opens."""
    wrong = {"LLM_MODEL": "no-such-model"}
    trial = ask(litellm_server, provider, messages(8), llm_database, tmp_path / "log", **wrong)
    assert trial.usable == 0
    assert trial.fallbacks["circuit open"] > 0
