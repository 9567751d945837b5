"""Behind OpenFaaS's of-watchdog, which passes on SIGTERM at once and requests for some time."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from pg8000.native import Connection

from tests.conftest import open_connection
from tests.hosts.test_shutdown import wait_until_in_flight
from tests.hosts.watchdog import HEADERS, UNANSWERED, Watchdog
from tests.instance import Instance, running
from tests.waiting import wait_until

POOL = 100  # connections that of-watchdog keeps open
IN_FLIGHT = 40


@pytest.fixture
def function(feedback_database: str, tmp_path: Path) -> Iterator[Instance]:
    """The function on the container's host, which of-watchdog starts."""
    with running(tmp_path / "log", feedback_database) as instance:
        yield instance.wait_until_ready()


@pytest.fixture
def connection(feedback_database: str) -> Iterator[Connection]:
    with closing(open_connection(feedback_database)) as opened:
        yield opened


@pytest.fixture
def pool(function: Instance) -> Iterator[list[Watchdog]]:
    with ExitStack() as stack:
        yield [stack.enter_context(closing(Watchdog(function.port))) for _ in range(POOL)]


def refuses(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return True
    return False


def stored(connection: Connection) -> list[int]:
    [counts] = connection.run("SELECT count(*), count(DISTINCT student_id) FROM feedback") or []
    return [int(count) for count in counts]


def test_chunks(function: Instance, connection: Connection) -> None:
    """Chunked feedback with hop-by-hop headers is stored, and the connection stays open."""
    with closing(Watchdog(function.port)) as watchdog:
        for _ in range(3):
            assert watchdog.post() == 200
            assert watchdog.is_open
        assert watchdog.post(headers={**HEADERS, "Connection": "close"}) == 200
        assert not watchdog.is_open
    assert stored(connection) == [4, 4]


def test_full_pool(function: Instance, connection: Connection, pool: list[Watchdog]) -> None:
    """A full pool of connections is reused many times while probes arrive."""
    with ThreadPoolExecutor(POOL) as threads:
        rounds = [list(threads.map(Watchdog.post, pool)) for _ in range(3)]
        again = [threads.submit(Watchdog.post, watchdog) for watchdog in pool]
        probes = [function.get(path).status for path in ("/_/health", "/_/ready") * 5]
        rounds.append([answer.result() for answer in again])

    assert rounds == [[200] * POOL] * 4
    assert probes == [200] * 10
    assert all(watchdog.is_open for watchdog in pool)
    assert stored(connection) == [4 * POOL] * 2


def test_shutdown_delay(feedback_database: str, tmp_path: Path, connection: Connection) -> None:
    """With SHUTDOWN_DELAY, requests that arrive after SIGTERM are answered."""
    with (
        ExitStack() as stack,
        ThreadPoolExecutor(POOL + 1) as threads,
        running(tmp_path / "log", feedback_database, SHUTDOWN_DELAY="5") as function,
    ):
        function.wait_until_ready()
        pool = [stack.enter_context(closing(Watchdog(function.port))) for _ in range(POOL)]
        connection.run("BEGIN")
        connection.run("LOCK TABLE feedback IN EXCLUSIVE MODE")
        in_flight = [threads.submit(Watchdog.post, watchdog) for watchdog in pool[:IN_FLIGHT]]
        wait_until(lambda: sum(watchdog.sent for watchdog in pool) == IN_FLIGHT)
        wait_until_in_flight(function, connection)
        exit_code = threads.submit(function.terminate)
        time.sleep(0.5)
        late = [threads.submit(Watchdog.post, watchdog) for watchdog in pool[IN_FLIGHT:]]
        wait_until(lambda: sum(watchdog.sent for watchdog in pool) == POOL)
        connection.run("COMMIT")

        assert [answer.result() for answer in [*in_flight, *late]] == [200] * POOL
        assert exit_code.result() == 0
    assert stored(connection) == [POOL] * 2


def test_sigterm(function: Instance, connection: Connection, pool: list[Watchdog]) -> None:
    """Requests in flight at SIGTERM are answered; later ones are stored only if answered."""
    with ThreadPoolExecutor(POOL + 1) as threads:
        assert list(threads.map(Watchdog.post, pool)) == [200] * POOL
        connection.run("BEGIN")
        connection.run("LOCK TABLE feedback IN EXCLUSIVE MODE")
        in_flight = [threads.submit(Watchdog.post, watchdog) for watchdog in pool[:IN_FLIGHT]]
        wait_until(lambda: sum(watchdog.sent for watchdog in pool) == POOL + IN_FLIGHT)
        wait_until_in_flight(function, connection)
        exit_code = threads.submit(function.terminate)
        late = [threads.submit(Watchdog.post, watchdog) for watchdog in pool[IN_FLIGHT:]]
        wait_until(lambda: refuses(function.port))
        connection.run("COMMIT")

        assert [answer.result() for answer in in_flight] == [200] * IN_FLIGHT
        assert exit_code.result() == 0
        statuses = [answer.result() for answer in late]
    # Later requests were accepted or refused, but never stored without an answer.
    assert set(statuses) <= {UNANSWERED, 200}
    assert stored(connection) == [POOL + IN_FLIGHT + statuses.count(200)] * 2
