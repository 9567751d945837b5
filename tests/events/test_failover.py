"""A standby takes over, and a failover slot lets Debezium continue there."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dev import paths
from dev.database import NAME
from dev.debezium import ROLE, make_role
from dev.postgres import EmbeddedPostgres
from tests.conftest import open_connection
from tests.events.follower import (
    PATIENCE,
    Follower,
    following,
    insert,
    messages,
    server_of_make_run,
)
from tests.events.pair import address_of, standby_of
from tests.operations_guide import guides_sql

READY = guides_sql("synced")


@pytest.fixture
def data() -> Iterator[Path]:
    with paths.temporary_folder("mentor-events-") as folder:
        yield folder


def run(server: EmbeddedPostgres, sql: str) -> list[list[Any]]:
    with closing(open_connection(server.url(NAME))) as connection:
        return connection.run(sql) or []


@pytest.mark.timeout(240)
def test_failover(data: Path) -> None:
    """No event is lost, and none is sent for a row that the standby lacks."""
    with server_of_make_run() as primary, address_of(primary) as address:
        with closing(open_connection(primary.url(NAME))) as connection:
            make_role(connection)
        url = f"postgresql://{ROLE}@127.0.0.1:{address.port}/{NAME}?sslmode=disable"
        with following(data, url=url) as follower:
            insert(primary.url(NAME), 1, 1)
            follower.until_message("message 1")
            with standby_of(primary, NAME) as standby:
                for statement in guides_sql("synchronized_standby_slots").split(";"):
                    run(primary, statement)
                last = insert_until_synced(primary, standby, follower)
                with standby.frozen():
                    insert(primary.url(NAME), last + 1, last + 10)
                    time.sleep(2)  # an event that does not wait for the standby has arrived by now
                    assert f"message {last + 1}" not in follower.messages
                follower.until_message(f"message {last + 10}")
                insert(primary.url(NAME), last + 11, last + 20)
                wait_until_replayed(primary, standby)
                address.server = None
                primary.crash()
                run(standby, "SELECT pg_promote()")
                insert(standby.url(NAME), last + 21, last + 30)
                address.server = standby
                follower.until_message(f"message {last + 30}")
                follower.stop()
                # There was no snapshot, which would repeat the first message.
                assert follower.messages.count("message 1") == 1
                assert list(dict.fromkeys(follower.messages)) == messages(1, last + 30)


def insert_until_synced(
    primary: EmbeddedPostgres, standby: EmbeddedPostgres, follower: Follower
) -> int:
    """Insert messages until the standby has the slot; return the number of the last one.

    The slot must first pass the position at which the standby started.
    """
    deadline = time.monotonic() + PATIENCE
    number = 1
    while not run(standby, READY):
        assert time.monotonic() < deadline, "the standby does not get the slot"
        number += 1
        insert(primary.url(NAME), number, number)
        follower.until_message(f"message {number}")
        run(primary, "SELECT pg_log_standby_snapshot()")
    return number


def wait_until_replayed(primary: EmbeddedPostgres, standby: EmbeddedPostgres) -> None:
    """Wait until the standby has all rows, because replication is asynchronous."""
    [[place]] = run(primary, "SELECT pg_current_wal_lsn()::text")
    while run(standby, f"SELECT pg_last_wal_replay_lsn() >= '{place}'::pg_lsn") != [[True]]:
        time.sleep(0.05)
