"""What befalls PostgreSQL costs the client a delay, or a 503, but never a row or two."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from dev.postgres import EmbeddedPostgres
from dev.postmaster import Mode
from tests.conftest import open_connection
from tests.instance import FEEDBACK, Answer, Instance, running

REQUESTS = 200
SECONDS = 2.0


def tasks(server: EmbeddedPostgres) -> list[str]:
    with closing(open_connection(server.url())) as connection:
        return sorted(task for [task] in connection.run("SELECT task_id FROM feedback"))


def post_steadily(instance: Instance) -> list[Answer]:
    """Post REQUESTS different feedbacks over SECONDS, each at its own moment."""
    started = time.monotonic()

    def post(number: int) -> Answer:
        moment = started + SECONDS * number / REQUESTS
        time.sleep(max(0.0, moment - time.monotonic()))
        return instance.post({**FEEDBACK, "task_id": f"task-{number:03}"})

    with ThreadPoolExecutor(REQUESTS) as pool:
        return list(pool.map(post, range(REQUESTS)))


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_restart_under_load_costs_no_request_and_no_row(
    own_postgres: EmbeddedPostgres, tmp_path: Path, mode: Mode
) -> None:
    with running(tmp_path / "log", own_postgres.url()) as instance:
        instance.wait_until_ready()
        restart = threading.Timer(SECONDS / 3, own_postgres.restart, [mode])
        restart.start()
        answers = post_steadily(instance)
        restart.join()
    assert {answer.status for answer in answers} == {200}
    assert tasks(own_postgres) == [f"task-{number:03}" for number in range(REQUESTS)]


def test_backends_killed_under_load_cost_no_request_and_no_row(
    own_postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    kill = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE application_name = 'mentor-function'"
    )
    killed = 0
    with (
        running(tmp_path / "log", own_postgres.url()) as instance,
        closing(open_connection(own_postgres.url())) as connection,
        ThreadPoolExecutor(1) as pool,
    ):
        instance.wait_until_ready()
        posting = pool.submit(post_steadily, instance)
        while killed < 10 and not posting.done():  # more could keep a busy machine from any row
            [[count]] = connection.run(kill)
            killed += count
            time.sleep(0.05)
    assert killed > 3
    assert {answer.status for answer in posting.result()} == {200}
    assert tasks(own_postgres) == [f"task-{number:03}" for number in range(REQUESTS)]


def test_a_frozen_server_is_a_503_in_time_and_a_retry_makes_no_second_row(
    own_postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    key = {"Idempotency-Key": "frozen"}
    with running(tmp_path / "log", own_postgres.url(), DATABASE_TIMEOUT="2") as instance:
        instance.wait_until_ready()
        with own_postgres.frozen():
            started = time.monotonic()
            answer = instance.post(headers=key)
            assert time.monotonic() - started < 20
            assert (answer.status, answer.json()["code"]) == (503, "UNAVAILABLE")
            assert int(answer.headers["retry-after"]) > 0
        assert instance.post(headers=key).status == 200
        assert instance.post(headers=key).headers["idempotency-replayed"] == "true"
    assert tasks(own_postgres) == ["task-123"]


def test_a_server_frozen_for_a_moment_costs_only_that_moment(
    own_postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    with running(tmp_path / "log", own_postgres.url()) as instance:
        instance.wait_until_ready()
        with ThreadPoolExecutor(1) as pool:
            with own_postgres.frozen():
                posting = pool.submit(instance.post)
                time.sleep(1)
                assert not posting.done()
            assert posting.result().status == 200
    assert tasks(own_postgres) == ["task-123"]
