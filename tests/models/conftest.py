"""The function with real model servers, and a real PostgreSQL."""

from collections.abc import Iterator

import pytest

from tests.llm.conftest import (  # noqa: F401 - fixtures
    function,
    llm_connection,
    llm_database,
    provider,
    rows,
    server,
)
from tests.models.servers import Server, litellm, llama


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="ask 60 messages, not 12")


@pytest.fixture(scope="session")
def llama_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with llama(tmp_path_factory.mktemp("llama")) as found:
        yield found


@pytest.fixture(scope="session")
def litellm_server(
    llama_server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    with litellm(llama_server, tmp_path_factory.mktemp("litellm")) as found:
        yield found
