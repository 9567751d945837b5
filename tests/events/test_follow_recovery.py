"""`make events` loses no event when PostgreSQL stops, or the offsets or the slot are lost."""

import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from dev.postgres import SETTINGS, EmbeddedPostgres
from tests.conftest import apply_schema, open_connection
from tests.events.follower import (
    TOO_LONG,
    following,
    insert,
    messages,
    server_of_make_run,
)

SLOT = "SELECT wal_status FROM pg_replication_slots WHERE slot_name = 'mentor_events'"
OTHER_WAL = "SELECT pg_logical_emit_message(false, 'other', repeat('x', 1000000)), pg_switch_wal()"

LONGEST = """
INSERT INTO feedback (student_id, task_id, message, perceived_difficulty, strategy_snapshot)
SELECT gen_random_uuid(), 'task-123', repeat('😀', 5000), 'ok', '{}' FROM generate_series(1, 4000)
"""


@pytest.fixture
def server() -> Iterator[EmbeddedPostgres]:
    with server_of_make_run() as server:
        yield server


@pytest.fixture
def url(server: EmbeddedPostgres) -> str:
    return server.url("mentor")


def test_wait_for_make_run() -> None:
    """It waits for `make run`, and for its database."""
    with EmbeddedPostgres.temporary() as server:
        server.stop()
        with following(server.folder) as follower:
            follower.until_said("Waiting for `make run`: start it in another terminal.")
            server.start()
            follower.until_said("Waiting until `make run` has set up its database")
            url = server.create_database("mentor")
            apply_schema(url)
            insert(url, 1, 2)
            follower.until_message("message 2")
            assert follower.messages == messages(1, 2)


def test_restarted_postgresql(server: EmbeddedPostgres, url: str) -> None:
    """It continues after PostgreSQL stopped or crashed."""
    with following(server.folder) as follower:
        follower.until_following()
        insert(url, 1, 5)
        follower.until_message("message 5")
        stopping = time.monotonic()
        server.stop()
        assert time.monotonic() - stopping < TOO_LONG  # it does not wait for Debezium's heartbeat
        follower.until_said("Waiting for `make run`")
        server.port = None if server.port is None else server.port + 1  # another port
        server.start()
        insert(server.url("mentor"), 6, 10)
        follower.until_message("message 10")
        server.crash()
        server.start()
        insert(server.url("mentor"), 11, 15)
        follower.until_message("message 15")
        follower.stop()
        assert list(dict.fromkeys(follower.messages)) == messages(1, 15)


def test_lost_slot_or_offsets(server: EmbeddedPostgres, url: str) -> None:
    """It shows all events again if the slot or the offsets are lost."""
    offsets = server.folder / "events/offsets"
    insert(url, 1, 3)
    with following(server.folder) as follower:
        follower.until_message("message 3")
        follower.stop()
    with closing(open_connection(url)) as connection:
        connection.run("SELECT pg_drop_replication_slot('mentor_events')")
    insert(url, 4, 4)  # while `make events` does not run
    assert_all_is_shown_again(server, "The slot mentor_events is gone from PostgreSQL.", 4)
    # Kafka's FileOffsetBackingStore writes the file in place, so SIGKILL may truncate it.
    for number, part in enumerate([b"", offsets.read_bytes()[:-20]], start=5):
        insert(url, number, number)
        offsets.write_bytes(part)
        assert_all_is_shown_again(server, "The last position is unknown.", number)


def test_other_messages(server: EmbeddedPostgres, url: str) -> None:
    """Messages of other programs in PostgreSQL's log are not events."""
    with following(server.folder) as follower:
        follower.until_following()
        with closing(open_connection(url)) as connection:
            connection.run("SELECT pg_logical_emit_message(true, 'outbox', 'of another program')")
        insert(url, 1, 1)
        follower.until_shown(1)
        assert [event["topic"] for event in follower.events] == ["mentor.feedback"]
        follower.stop()


def test_longest_messages(server: EmbeddedPostgres, url: str) -> None:
    """Its memory is sufficient for 4,000 of the longest messages."""
    with closing(open_connection(url)) as connection:
        connection.run(LONGEST)
    with following(server.folder) as follower:
        follower.until_shown(4000)
        assert "Debezium has ended" not in follower.said
        follower.stop()


def test_abandoned_slot() -> None:
    """PostgreSQL drops the log of an abandoned slot before the disk is full."""
    assert SETTINGS["max_slot_wal_keep_size"] == "512MB"
    with server_of_make_run(max_slot_wal_keep_size="1MB") as server:
        insert(server.url("mentor"), 1, 3)
        with following(server.folder) as follower:
            follower.until_message("message 3")
            follower.stop()
        forget(server.url("mentor"))
        insert(server.url("mentor"), 4, 4)
        reason = "PostgreSQL has given up the slot mentor_events"
        assert_all_is_shown_again(server, reason, 4)


def forget(url: str) -> None:
    """Let PostgreSQL write more than it keeps for the slot."""
    with closing(open_connection(url)) as connection:
        assert connection.run(SLOT) == [["reserved"]]
        for _ in range(4):
            connection.run(OTHER_WAL)
        connection.run("CHECKPOINT")
        assert connection.run(SLOT) == [["lost"]]


def assert_all_is_shown_again(server: EmbeddedPostgres, reason: str, last: int) -> None:
    with following(server.folder) as follower:
        follower.until_message(f"message {last}")
        assert reason in follower.said
        assert "Showing all feedback from the first." in follower.said
        insert(server.url("mentor"), 100, 100)
        follower.until_message("message 100")
        follower.stop()
        assert follower.messages == [*messages(1, last), "message 100"]
    with closing(open_connection(server.url("mentor"))) as connection:
        connection.run("DELETE FROM feedback WHERE message = 'message 100'")
