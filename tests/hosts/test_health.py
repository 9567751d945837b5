"""Probes and requests while PostgreSQL is frozen or down, and after it is back."""

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from dev.postgres import EmbeddedPostgres
from tests.conftest import apply_schema
from tests.instance import Answer, Instance, running

READY_PATHS = ("/health/ready", "/_/ready", "/health/readiness")
DATABASE_TIMEOUT = 2  # seconds
PROBE_LIMIT = 2.0  # seconds, from the contract
CHECK_INTERVAL = 1.0  # seconds for which probes share an answer
SLACK = 20.0  # seconds, for a busy machine; without a limit there would be no answer


@pytest.fixture(scope="module")
def postgres() -> Iterator[EmbeddedPostgres]:
    """A server that tests freeze and stop."""
    with EmbeddedPostgres.temporary() as server:
        apply_schema(server.url())
        yield server


@pytest.fixture(scope="module")
def function(
    host: str, postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Instance]:
    """An instance on that server."""
    log_file = tmp_path_factory.mktemp("health") / f"{host}.log"
    timeout = str(DATABASE_TIMEOUT)
    with running(log_file, postgres.url(), host, DATABASE_TIMEOUT=timeout) as instance:
        yield instance.wait_until_ready()
        assert instance.terminate() == 0


@contextmanager
def frozen(postgres: EmbeddedPostgres) -> Iterator[None]:
    """Freeze PostgreSQL, once the last check of a probe has expired."""
    time.sleep(CHECK_INTERVAL)
    with postgres.frozen():
        yield


@contextmanager
def crashed(postgres: EmbeddedPostgres) -> Iterator[None]:
    """Kill PostgreSQL, and start it again at the end."""
    time.sleep(CHECK_INTERVAL)
    postgres.crash()
    try:
        yield
    finally:
        postgres.start()


def at_once(function: Instance, paths: Iterable[str]) -> list[tuple[str, Answer, float]]:
    """Get all paths at the same time; return each path with its answer and its seconds."""

    def get(path: str) -> tuple[str, Answer, float]:
        started = time.monotonic()
        answer = function.get(path)
        return path, answer, time.monotonic() - started

    with ThreadPoolExecutor() as pool:
        return list(pool.map(get, paths))


def assert_not_ready(function: Instance, paths: Iterable[str]) -> None:
    for path, answer, seconds in at_once(function, paths):
        assert (path, answer.status, answer.body) == (path, 503, b'{"status": "not ready"}')
        assert seconds < PROBE_LIMIT + SLACK


def assert_alive(function: Instance) -> None:
    for path, answer, seconds in at_once(function, ("/health/startup", "/_/health")):
        assert (path, answer.status) == (path, 200)
        assert seconds < SLACK


def assert_unavailable(function: Instance, accept: str) -> None:
    started = time.monotonic()
    answer = function.post(headers={"Accept": accept})

    assert time.monotonic() - started < DATABASE_TIMEOUT + SLACK
    assert (answer.status, answer.json()["code"]) == (503, "UNAVAILABLE")
    assert answer.headers["content-type"] == accept
    assert int(answer.headers["retry-after"]) > 0
    assert answer.headers["x-request-id"]


@pytest.mark.parametrize("trouble", [frozen, crashed])
def test_postgresql_fails(
    function: Instance,
    host: str,
    postgres: EmbeddedPostgres,
    trouble: Callable[[EmbeddedPostgres], AbstractContextManager[None]],
) -> None:
    """Without PostgreSQL the function is alive but not ready, and answers 503 in time."""
    with trouble(postgres), ThreadPoolExecutor() as pool:
        checks = [
            pool.submit(assert_not_ready, function, READY_PATHS * 2),
            pool.submit(assert_unavailable, function, "application/json"),
            pool.submit(assert_unavailable, function, "application/problem+json"),
            pool.submit(assert_alive, function),
        ]
        for check in checks:
            check.result()

    function.wait_until_ready()
    assert function.get("/_/ready").status == 200
    assert function.post().status == 200


def test_start_without_postgresql(host: str, postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    """The function starts without PostgreSQL, and is ready once PostgreSQL is up."""
    postgres.stop()
    try:
        with running(tmp_path / "log", postgres.url(), host) as function:
            function.wait_until_ready(probe="/health/startup")
            assert_not_ready(function, READY_PATHS)
            postgres.start()
            function.wait_until_ready()
    finally:
        postgres.start()
