"""`python -m insights apply`, on a real PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from dev.postgres import EmbeddedPostgres
from insights import database
from tests.conftest import open_connection
from tests.insights.conftest import Rows
from tests.waiting import wait_until

pytestmark = pytest.mark.insights


def test_a_second_run_keeps_the_time_zone_unless_it_gets_another(feedback_database: str) -> None:
    found = []
    with closing(open_connection(feedback_database)) as connection:
        for time_zone in (None, "Asia/Kathmandu", None, "America/New_York"):
            database.apply(connection, time_zone)
            found += connection.run("SELECT insights.time_zone()")
    assert found == [["UTC"], ["Asia/Kathmandu"], ["Asia/Kathmandu"], ["America/New_York"]]


def test_a_time_zone_does_not_stay_in_the_session(feedback_database: str) -> None:
    """A pooler gives the session to others."""
    with closing(open_connection(feedback_database)) as connection:
        database.apply(connection, "Asia/Kathmandu")
        setting = connection.run("SELECT nullif(current_setting('insights.time_zone', true), '')")
    assert setting == [[None]]


def test_a_role_that_could_not_be_created_is_told(
    own_postgres: EmbeddedPostgres, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(open_connection(own_postgres.url())) as connection:
        connection.run("CREATE ROLE school IN ROLE pg_read_all_data")
        connection.run("GRANT CREATE ON DATABASE postgres TO school; SET ROLE school")
        database.apply(connection, None)
        assert connection.run("SELECT sum(answers) FROM insights.daily") == [[None]]
    told = capsys.readouterr().err
    assert "could not create the role mentor_reader" in told
    assert "CREATE ROLE mentor_reader NOLOGIN" in told
    assert "transaction" not in told


def test_it_waits_for_a_roll_up(rows: Rows, feedback_database: str) -> None:
    _, refresh, lock_closed, lock_history, commit = database.ROLL_UP.strip().split("\n")
    for statement in ("BEGIN", refresh, lock_closed):
        rows.connection.run(statement)
    with (
        closing(open_connection(feedback_database)) as second,
        ThreadPoolExecutor() as pool,
    ):
        applied = pool.submit(database.apply, second, None)
        wait_until(lambda: rows.connection.run("SELECT FROM pg_locks WHERE NOT granted"))
        rows.connection.run(lock_history)
        rows.connection.run(commit)
        applied.result()
    assert rows.connection.run("SELECT sum(answers) FROM insights.daily") == [[None]]
