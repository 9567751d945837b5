"""Probes and requests while PostgreSQL is frozen, or gone, and after it came back."""

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
PROBE_LIMIT = 2.0  # seconds, of the contract
CHECK_INTERVAL = 1.0  # seconds for which probes share an answer
SLACK = 20.0  # seconds, for a busy machine; without a limit of its own it would answer never


@pytest.fixture(scope="module")
def postgres() -> Iterator[EmbeddedPostgres]:
    """A server to freeze and to stop."""
    with EmbeddedPostgres.temporary() as server:
        apply_schema(server.url())
        yield server


@pytest.fixture(scope="module")
def function(
    host: str, postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Instance]:
    """An instance whose database may break."""
    log_file = tmp_path_factory.mktemp("health") / f"{host}.log"
    timeout = str(DATABASE_TIMEOUT)
    with running(log_file, postgres.url(), host, DATABASE_TIMEOUT=timeout) as instance:
        yield instance.wait_until_ready()
        assert instance.terminate() == 0


@contextmanager
def frozen(postgres: EmbeddedPostgres) -> Iterator[None]:
    """Freeze PostgreSQL when the last answer to a probe is no longer shared."""
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
    """Get all paths at the same time: path, answer and seconds of each."""

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
def test_without_postgresql_it_is_alive_but_not_ready_and_says_503_in_time(
    function: Instance,
    host: str,
    postgres: EmbeddedPostgres,
    trouble: Callable[[EmbeddedPostgres], AbstractContextManager[None]],
) -> None:
    with trouble(postgres), ThreadPoolExecutor() as pool:
        checks = [
            pool.submit(assert_not_ready, function, READY_PATHS[:2]),
            pool.submit(assert_unavailable, function, "application/json"),
            pool.submit(assert_unavailable, function, "application/problem+json"),
            pool.submit(assert_alive, function),
        ]
        for check in checks:
            check.result()

    function.wait_until_ready()
    assert function.get("/_/ready").status == 200
    assert function.post().status == 200


def test_many_probes_of_a_frozen_postgresql_at_once_each_answer_in_time(
    function: Instance, host: str, postgres: EmbeddedPostgres
) -> None:
    with frozen(postgres):
        assert_not_ready(function, ["/health/readiness", "/health/ready"] * 2)

    function.wait_until_ready()


def test_it_starts_without_postgresql_and_is_ready_when_that_comes(
    host: str, postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    postgres.stop()
    try:
        with running(tmp_path / "log", postgres.url(), host) as function:
            function.wait_until_ready(probe="/health/startup")
            assert_not_ready(function, READY_PATHS)
            postgres.start()
            function.wait_until_ready()
    finally:
        postgres.start()
