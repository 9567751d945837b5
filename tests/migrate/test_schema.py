"""The job on databases that are empty, or done already."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from function.migrate import ADVISORY_LOCK
from tests.migrate.job import COLUMNS, INDEXES, address, columns, indexes, migrate, run, session


def test_an_empty_database_gets_the_whole_schema(database: str) -> None:
    done = migrate(database)
    assert done.code == 0, done.output
    assert "created the table feedback" in done.changes
    assert done.left_undone == []
    assert columns(database) == COLUMNS
    assert indexes(database) == INDEXES
    levels = run(database, "SELECT unnest(enum_range(NULL::difficulty_level))::text")
    assert levels == [["easy"], ["ok"], ["hard"]]


def test_a_second_run_says_up_to_date_and_waits_for_no_lock(database: str) -> None:
    migrate(database)
    with session(database) as other:
        other.run("BEGIN; LOCK TABLE feedback IN ACCESS EXCLUSIVE MODE")
        again = migrate(database, timeout=2)
    assert again.was_up_to_date, again.output
    assert again.waits == []


def test_ten_jobs_at_once_share_the_work(database: str) -> None:
    with ThreadPoolExecutor(10) as pool:
        done = list(pool.map(migrate, [database] * 10))
    assert [run.code for run in done] == [0] * 10, done
    changes = [change for run in done for change in run.changes]
    assert changes.count("created the table feedback") == 1
    assert len(changes) == len(set(changes))


def test_a_job_that_finds_another_at_work_waits_up_to_the_limit(database: str) -> None:
    with session(database) as other:
        other.run(f"SELECT pg_advisory_lock({ADVISORY_LOCK})")
        done = migrate(database, timeout=0.5)
    assert done.code == 1
    assert "another migration of this database is in progress" in done.output


def test_two_databases_of_one_cluster_can_be_migrated_at_once(
    group_roles_missing: None, server_url: str, database: str
) -> None:
    second = f"second_{secrets.token_hex(4)}"
    run(server_url, f"CREATE DATABASE {second}")
    try:
        with ThreadPoolExecutor(2) as pool:
            urls = [database, address(database, database=second)]
            done = list(pool.map(migrate, urls))
        assert [run.code for run in done] == [0, 0], done
        assert [run.left_undone for run in done] == [[], []]
    finally:
        run(server_url, f"DROP DATABASE {second} WITH (FORCE)")


def test_an_index_that_an_interrupted_run_left_invalid_is_built_again(database: str) -> None:
    migrate(database)
    run(
        database,
        "UPDATE pg_index SET indisvalid = false"
        " WHERE indexrelid = 'idx_feedback_student_id'::regclass",
    )
    done = migrate(database)
    assert done.code == 0, done.output
    assert indexes(database) == INDEXES


def test_the_databases_own_settings_change_nothing(database: str) -> None:
    name = urlsplit(database).path.removeprefix("/")
    run(database, "CREATE SCHEMA app; CREATE TABLE app.feedback (stars INTEGER)")
    run(database, f'ALTER DATABASE "{name}" SET search_path = app')
    run(database, f'ALTER DATABASE "{name}" SET quote_all_identifiers = on')
    assert "created the table feedback" in migrate(database).changes
    assert migrate(database).was_up_to_date
