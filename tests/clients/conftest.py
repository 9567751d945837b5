"""The function on each host, programs in other languages, and public test data."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.clients.program import LANGUAGES, Program
from tests.clients.program import running as running_program
from tests.hosts.conftest import (  # noqa: F401 - fixtures
    database_connection,
    host,
    hosts_database,
    instance,
    rows,
    student,
)
from tests.instance import HOSTS, Instance, running

Programs = dict[str, Program]


@pytest.fixture(scope="session")
def instances(
    hosts_database: str,  # noqa: F811 - the fixture of that name
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, Instance]]:
    """All hosts at once, for tests that compare their answers."""
    folder = tmp_path_factory.mktemp("instances")
    with ExitStack() as stack:
        found = {
            name: stack.enter_context(running(folder / name, hosts_database, name))
            for name in HOSTS
        }
        yield {name: one.wait_until_ready() for name, one in found.items()}


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Programs]:
    """One program per language, which keeps its connections between tasks."""
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(running_program(build(tmp_path_factory.mktemp(name))))
            for name, build in LANGUAGES.items()
        }


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of public test data: json-test-suite and cloudevents-conformance."""
    folder = os.environ.get("MENTOR_TEST_DATA")
    if not folder:
        pytest.skip("MENTOR_TEST_DATA does not name a folder of public test data")
    return Path(folder)
