"""Faults while events arrive: 503 without PostgreSQL, and a batch is stored whole or not at all."""

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dev.ports import free_port
from tests.conftest import open_connection
from tests.hosts.events import (
    event,
    replayed,
    send_batch,
    send_binary,
    send_structured,
)
from tests.instance import Instance, running


@pytest.fixture
def function(host: str, feedback_database: str, tmp_path: Path) -> Iterator[Instance]:
    """An instance whose database refuses one message."""
    with closing(open_connection(feedback_database)) as connection:
        connection.run("ALTER TABLE feedback ADD CHECK (message <> 'refused')")
    with running(tmp_path / "log", feedback_database, host) as instance:
        yield instance.wait_until_ready()


def messages(url: str) -> list[str]:
    with closing(open_connection(url)) as connection:
        rows = connection.run("SELECT message FROM feedback ORDER BY message")
        return [message for [message] in rows]


def test_refused_row(function: Instance, feedback_database: str, student: str) -> None:
    """If PostgreSQL refuses one row of a batch, none is stored; the others can be sent again."""
    batch = [event(student, name, name) for name in ("a", "refused", "c")]
    answer = send_batch(function, *batch)

    assert (answer.status, answer.json()["code"]) == (500, "INTERNAL_ERROR")
    assert messages(feedback_database) == []
    assert send_batch(function, batch[0], batch[2]).status == 200
    assert messages(feedback_database) == ["a", "c"]


def test_repeat_in_flight(function: Instance, feedback_database: str, student: str) -> None:
    """An event that is repeated while its first delivery waits is stored once."""
    answers = []

    def send() -> None:
        answers.append(send_structured(function, event(student)))

    def send_in_batch() -> None:
        answers.append(send_batch(function, event(student), event(student, "2", "second")))

    threads = [threading.Thread(target=target) for target in (send, send, send_in_batch, send)]
    with closing(open_connection(feedback_database)) as connection:
        connection.run("BEGIN")
        connection.run("LOCK TABLE feedback IN EXCLUSIVE MODE")
        for thread in threads:
            thread.start()
        threads[0].join(0.5)
        assert answers == []
        connection.run("COMMIT")
    for thread in threads:
        thread.join()

    assert [answer.status for answer in answers] == [200] * 4
    assert len({answer.body for answer in answers}) == 2  # the event's, and the batch's
    assert [replayed(answer) for answer in answers].count("true") >= 2
    assert len(messages(feedback_database)) == 2


def test_no_postgresql(host: str, student: str, tmp_path: Path) -> None:
    """Without PostgreSQL, each mode gets 503 with Retry-After; an invalid event still gets 400."""
    url = f"postgresql://postgres@127.0.0.1:{free_port()}/postgres"
    with running(tmp_path / "log", url, host, DATABASE_TIMEOUT="0.5") as instance:
        instance.wait_until_ready(probe="/health/startup")
        answers = [
            send(instance, event(student)) for send in (send_binary, send_structured, send_batch)
        ]
        invalid = send_binary(instance, {**event(student), "type": "other"})

    for answer in answers:
        assert (answer.status, answer.json()["code"]) == (503, "UNAVAILABLE")
        assert answer.headers["retry-after"]
        assert answer.headers["content-type"] == "application/json"
    assert invalid.status == 400
