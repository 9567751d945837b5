"""The model's client is imported only when it is needed."""

import os
import subprocess
import sys

import pytest

from tests.instance import ROOT

# As the container's host does before its first request.
START = """
import os, sys
from function.settings import load
from function.http.asgi import create_application
from function.store import Store
settings = load(os.environ)
create_application(settings, Store(settings.postgres, settings.database_timeout))
print(*sorted(sys.modules))
"""
STUB = {"DATABASE_URL": "postgresql://mentor@localhost/mentor"}
MODEL = {"LLM_PROVIDER": "openai", "LLM_MODEL": "m", "LLM_API_KEY": "k"}


def imported(environ: dict[str, str]) -> set[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    command = [sys.executable, "-c", START]
    found = subprocess.check_output(command, cwd=ROOT, env={**clean, **environ}, text=True)
    return set(found.split())


def test_stub() -> None:
    """With the stub, nothing of the model is imported."""
    modules = imported(STUB)
    assert "function.http.asgi" in modules
    assert [name for name in modules if name.split(".")[:2] == ["function", "llm"]] == []
    assert modules.isdisjoint({"httpx2", "httpcore2", "anyio"})


@pytest.mark.parametrize("library", ["httpx2", "httpcore2", "anyio", "h11", "pydantic"])
def test_provider(library: str) -> None:
    """With a model, neither the HTTP client nor pydantic is imported before the first feedback."""
    modules = imported({**STUB, **MODEL})
    assert "function.llm.analyzer" in modules
    assert library not in modules
