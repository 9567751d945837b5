"""An erasure through a real Debezium: its event, and what a later snapshot contains."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from dev.postgres import EmbeddedPostgres
from tests.erasure.job import REVISE, WORD, erase, execute, insert, retain
from tests.events.contract import problems
from tests.events.follower import following, server_of_make_run

ERASURE = """
SELECT id::text, to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
FROM student_erasure WHERE student_id = CAST(:student AS uuid)
"""
DROP_SLOT = "SELECT pg_drop_replication_slot('mentor_events')"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedPostgres]:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    with server_of_make_run() as server:
        yield server


def test_erasure(server: EmbeddedPostgres) -> None:
    """It is an event after all others of the student, and a new snapshot has no erased word."""
    url = server.url("mentor")
    student = insert(url, 2)
    execute(url, REVISE, student=student)
    with following(server.folder) as follower:
        follower.until_following()
        follower.until_shown(3)
        assert erase(url, student, "--confirm").code == 0
        *before, erased = follower.until_shown(4)
        insert(url, 1, student=student, at="2099-01-01 00:00Z")
        *_, later = follower.until_shown(5)
        follower.stop()
    assert WORD in json.dumps(before)
    assert_is_erasure(erased, url, student)

    execute(url, DROP_SLOT)
    with following(server.folder) as follower:
        follower.until_following()
        events = follower.until_shown(2)
        follower.stop()
    # Erasures come first: a consumer that starts empty must not delete what came after them.
    assert events == [erased, later]
    assert erase(url, student, "--confirm").code == 0
    execute(url, DROP_SLOT)
    with following(server.folder) as follower:
        follower.until_following()
        events = follower.until_shown(2)
        follower.stop()
    assert [event["headers"]["ce_type"] for event in events] == ["mentor.student.erased"] * 2
    assert WORD not in json.dumps(events)


def test_retention(server: EmbeddedPostgres) -> None:
    """Debezium passes over the deletion of old feedback, and a new snapshot does not have it."""
    url = server.url("mentor")
    insert(url, 3, at="2020-01-01 00:00Z")
    with following(server.folder) as follower:
        follower.until_following()
        follower.until_shown(3)
        assert retain(url, "365").code == 0
        insert(url, 1, at="2099-01-01 00:00Z")
        *_, new = follower.until_shown(4)
        follower.stop()
    execute(url, DROP_SLOT)
    with following(server.folder) as follower:
        follower.until_following()
        assert follower.until_shown(1) == [new]
        follower.stop()


def assert_is_erasure(event: dict[str, Any], url: str, student: str) -> None:
    [[erasure_id, created_at]] = execute(url, ERASURE, student=student)

    assert event == {
        "topic": "mentor.feedback",
        "key": student,
        "headers": {
            "ce_id": erasure_id,
            "ce_time": created_at,
            "ce_specversion": "1.0",
            "ce_type": "mentor.student.erased",
            "ce_subject": student,
            "ce_source": "/mathtrail/mentor",
            "content-type": "application/json",
        },
        "value": {"id": erasure_id, "student_id": student, "created_at": created_at},
    }
    assert problems(event["key"], event["headers"], event["value"], "studentErased") == []
