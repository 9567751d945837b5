"""One step of schema.sql, as psql runs it."""

import pytest

from function.migrate import run_step
from tests.migrate.job import run, session

STEP = """
SELECT 'CREATE TABLE first ()', NULL
\\gexec
SELECT format('CREATE TABLE %s ()', name) FROM unnest(ARRAY['second', 'third']) AS name
\\gexec
CREATE TABLE fourth ();
"""


def test_all_of_a_step_runs_also_what_follows_its_last_gexec(database: str) -> None:
    with session(database) as connection:
        changes = list(run_step(connection, STEP))
    assert changes == [f"CREATE TABLE {name} ()" for name in ("first", "second", "third")]
    tables = run(database, "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND oid > 16384")
    assert sorted(name for [name] in tables) == ["first", "fourth", "second", "third"]


def test_a_warning_of_postgresql_is_not_taken_for_one_of_the_schema(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    with session(database) as connection:
        assert list(run_step(connection, "COMMIT")) == []
    [record] = caplog.records
    assert record.getMessage() == "PostgreSQL warned"
    assert vars(record)["what"] == "there is no transaction in progress"
