"""A cold start compiles nothing: the image contains the bytecode of all imports."""

import re
from pathlib import Path

import pytest

from tests.image.container import MIGRATE, running
from tests.image.docker import Docker

pytestmark = [pytest.mark.image, pytest.mark.timeout(600)]

# With PYTHONVERBOSE, Python prints the file from which it read each module.
CODE = re.compile(r"^# code object from '?([^'\n]+?)'?$", re.MULTILINE)
# Nothing listens at the model's address.
MODEL = {
    "LLM_PROVIDER": "openai",
    "LLM_MODEL": "any",
    "LLM_API_KEY": "key",
    "LLM_BASE_URL": "http://127.0.0.1:1/v1",
}


def sources(log: str) -> tuple[list[str], list[str]]:
    """Return the files that were read as bytecode, and those that had to be compiled."""
    files = CODE.findall(log)
    read = [file for file in files if file.endswith(".pyc")]
    return read, [file for file in files if file not in read]


def test_serving(docker: Docker, image: str, feedback_database: str, tmp_path: Path) -> None:
    """Serving imports only bytecode, also with a model, which can't be reached here."""
    environ = {"DATABASE_URL": feedback_database, "PYTHONVERBOSE": "1", **MODEL}
    with running(docker, image, tmp_path / "log", **environ) as function:
        function.wait_until_ready()
        for path in ("/docs", "/openapi.json"):
            assert function.get(path).status == 200
        answer = function.post()
        assert answer.status == 200
        assert answer.json()["strategy_snapshot"]["feedback_based"] is False
        assert '"reason":"unreachable"' in function.log
        function.terminate()
        read, compiled = sources(function.log)
    assert compiled == []
    for module in ("asyncio/__init__", "function/http/handler", "httpx2/__init__", "pg8000/native"):
        folder, _, name = module.rpartition("/")
        assert any(f"/{folder}/__pycache__/{name}.cpython-" in file for file in read), module


def test_migrating(docker: Docker, image: str, feedback_database: str, tmp_path: Path) -> None:
    """The migrate job imports only bytecode."""
    environ = {"DATABASE_URL": feedback_database, "PYTHONVERBOSE": "1"}
    with running(docker, image, tmp_path / "log", command=MIGRATE, **environ) as job:
        assert job.process.wait(60) == 0
        read, compiled = sources(job.log)
    assert compiled == []
    assert len(read) > 100


def test_timestamps(docker: Docker, image: str) -> None:
    """Bytecode is valid whatever the time of its source is, because layers change times."""
    code = """
import importlib.util, pathlib, sysconfig
for folder in (sysconfig.get_path("stdlib"), sysconfig.get_path("purelib")):
    files = list(pathlib.Path(folder).rglob("*.pyc"))
    assert len(files) > 200, (folder, len(files))
    # PEP 552: bit 0 means a hash instead of a time, bit 1 that the hash is checked.
    wrong = [file for file in files if file.read_bytes()[4:8] != bytes([1, 0, 0, 0])]
    assert not wrong, wrong
"""
    docker("run", "--rm", "--network=none", image, "python", "-c", code)
