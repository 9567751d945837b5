"""How much is tried, and from which seed."""

from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Amount:
    """What the command line asks for; the defaults are those of the short form."""

    seed: int
    requests: int
    inputs: int
    databases: int


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, default=1, help="where the random choices begin")
    parser.addoption("--requests", type=int, default=1000, help="to each host, and in process")
    parser.addoption("--inputs", type=int, default=20_000, help="to each parser")
    parser.addoption("--databases", type=int, default=12, help="to migrate")


@pytest.fixture(scope="session")
def amount(request: pytest.FixtureRequest) -> Amount:
    option = request.config.getoption
    return Amount(*(option(f"--{name}") for name in ("seed", "requests", "inputs", "databases")))
