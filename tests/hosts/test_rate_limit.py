"""A student's limit on every host; tests/unit/test_buckets.py tests the buckets themselves."""

import uuid
from collections.abc import Iterator

import pytest

from tests.hosts.conftest import Rows
from tests.hosts.events import event, send_batch
from tests.instance import FEEDBACK, Instance, running

LIMIT = 3


@pytest.fixture(scope="session")
def limited(
    host: str, hosts_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Instance]:
    log_file = tmp_path_factory.mktemp("limited") / f"{host}.log"
    with running(log_file, hosts_database, host, RATE_LIMIT=f"{LIMIT}/h") as function:
        yield function.wait_until_ready()


def test_limit(limited: Instance, student: str, rows: Rows) -> None:
    """Over the limit, a student gets 429 with Retry-After; other students are not affected."""
    feedback = {**FEEDBACK, "student_id": student}
    assert [limited.post(feedback).status for _ in range(LIMIT)] == [200] * LIMIT

    answer = limited.post(feedback)

    assert (answer.status, answer.json()["code"]) == (429, "TOO_MANY_REQUESTS")
    assert 0 < int(answer.headers["retry-after"]) <= 3600 / LIMIT
    assert len(rows(student)) == LIMIT
    assert limited.post({**FEEDBACK, "student_id": str(uuid.uuid4())}).status == 200


def test_repeat(limited: Instance, student: str) -> None:
    """A repeat counts too."""
    feedback, key = {**FEEDBACK, "student_id": student}, {"Idempotency-Key": student}

    statuses = [limited.post(feedback, key).status for _ in range(LIMIT + 1)]

    assert statuses == [200] * LIMIT + [429]


def test_batch(limited: Instance, student: str, rows: Rows) -> None:
    """Each feedback of a batch counts, and a batch over the limit stores nothing."""

    def send(*ids: str) -> int:
        return send_batch(limited, *(event(student, event_id) for event_id in ids)).status

    assert send("1", "2") == 200
    assert send("3", "4") == 429
    assert len(rows(student)) == 2
