"""The function is process 1 of its container, and handles SIGTERM."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import open_connection
from tests.image.container import MIGRATE, Container, running
from tests.image.docker import Docker
from tests.instance import Answer
from tests.waiting import wait_until

pytestmark = [pytest.mark.image, pytest.mark.timeout(600)]

WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"


def test_request_in_flight(docker: Docker, container: Container, feedback_database: str) -> None:
    """`docker stop` waits for a request in flight."""
    with (
        closing(open_connection(feedback_database)) as locker,
        ThreadPoolExecutor(2) as pool,
    ):
        locker.run("BEGIN")
        locker.run("LOCK TABLE feedback IN EXCLUSIVE MODE")
        answer = pool.submit(container.post)
        wait_until(lambda: locker.run(WAITING) != [[0]])
        stopped = pool.submit(docker, "stop", "--time=30", container.name)
        time.sleep(1)
        assert not stopped.done()
        locker.run("COMMIT")
        assert_answered(answer.result(30))
        stopped.result(30)
    assert container.process.wait(10) == 0


def assert_answered(answer: Answer) -> None:
    assert answer.status == 200
    assert answer.json()["sentiment"] == "neutral"


def test_waiting_job(docker: Docker, image: str, tmp_path: Path) -> None:
    """SIGTERM ends a migrate job that waits for PostgreSQL."""
    nowhere = "postgresql://postgres@127.0.0.1:1/postgres"
    log = tmp_path / "log"
    with running(docker, image, log, command=MIGRATE, DATABASE_URL=nowhere) as job:
        wait_until(lambda: "waiting" in job.log)
        docker("stop", "--time=30", job.name)
        assert job.process.wait(10) == 143  # SIGTERM; after 30 seconds it would be SIGKILL, and 137
