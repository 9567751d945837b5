"""The function with the stub and with a model, and its description."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import apply_schema, temporary_database
from tests.instance import Instance, running
from tests.llm.conftest import llm_environ
from tests.llm.server import answers, serving


@pytest.fixture(scope="session")
def shared_database(server_url: str) -> Iterator[str]:
    with temporary_database(server_url) as url:
        apply_schema(url)
        yield url


@pytest.fixture(scope="session")
def function(shared_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    with running(tmp_path_factory.mktemp("stub") / "log", shared_database) as instance:
        yield instance.wait_until_ready()


@pytest.fixture(scope="session")
def function_with_model(
    shared_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Instance]:
    log_file = tmp_path_factory.mktemp("model") / "log"
    with serving(answers()) as model:
        environ = llm_environ("openai", model.url, LLM_TIMEOUT="10")
        with running(log_file, shared_database, **environ) as instance:
            yield instance.wait_until_ready()


@pytest.fixture(scope="session")
def description(function: Instance, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The function's /openapi.json as a file."""
    file = tmp_path_factory.mktemp("description") / "openapi.json"
    file.write_bytes(function.get("/openapi.json").body)
    return file
