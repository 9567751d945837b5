"""The job needs no more rights than it has to, and the roles it makes have no more."""

import json
from urllib.parse import urlsplit
from uuid import uuid4

from function.store.table import INSERT, SELECT
from tests.migrate.job import (
    COLUMNS,
    ERASURE,
    INDEXES,
    NO_TRACE,
    ORIGINAL,
    ORIGINAL_INSERT,
    REVISION,
    address,
    assert_refused,
    columns,
    files,
    indexes,
    migrate,
    run,
    session,
)


def test_a_role_without_special_rights_migrates_all_but_the_group_roles(
    group_roles_missing: None, plain_role: tuple[str, str], database: str
) -> None:
    role, login = plain_role
    name = urlsplit(database).path.removeprefix("/")
    run(database, f"GRANT CREATE ON SCHEMA public TO {role}")
    run(database, f'GRANT CREATE ON DATABASE "{name}" TO {role}')
    done = migrate(address(database, login=login))
    assert done.code == 0, done.output
    assert [text.partition(":")[0] for text in done.left_undone] == [
        "could not create the role mentor_writer",
        "could not create the role mentor_cdc",
        "could not create the role mentor_eraser",
    ]
    assert "CREATE ROLE mentor_writer NOLOGIN" in done.output
    assert (columns(database), indexes(database)) == (COLUMNS, INDEXES)
    again = migrate(address(database, login=login))
    assert again.was_up_to_date
    assert again.left_undone == done.left_undone

    run(database, "CREATE ROLE mentor_writer NOLOGIN")
    run(database, "CREATE ROLE mentor_cdc NOLOGIN; CREATE ROLE mentor_eraser NOLOGIN")
    third = migrate(address(database, login=login))
    assert third.left_undone == []
    assert "granted INSERT on TABLE public.feedback to mentor_writer" in third.changes


def test_a_role_that_may_not_publish_says_which_grant_it_lacks(
    plain_role: tuple[str, str], database: str
) -> None:
    role, login = plain_role
    run(database, f"ALTER SCHEMA public OWNER TO {role}")
    done = migrate(address(database, login=login))
    assert done.code == 0, done.output
    assert "could not set up the publication" in done.output
    assert f"GRANT CREATE ON DATABASE {urlsplit(database).path[1:]} TO {role}" in done.output
    assert (columns(database), indexes(database)) == (COLUMNS, INDEXES)


def test_a_role_that_may_not_create_in_the_schema_is_told_the_grant(
    plain_role: tuple[str, str], database: str
) -> None:
    run(database, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    done = migrate(address(database, login=plain_role[1]))
    assert done.code == 1
    assert "permission denied for schema public" in done.output
    assert "GRANT CREATE ON SCHEMA public" in done.output


def test_a_role_that_does_not_own_the_originals_table_changes_nothing(
    plain_role: tuple[str, str], database: str
) -> None:
    run(database, ORIGINAL)
    before = columns(database), files(database)
    done = migrate(address(database, login=plain_role[1]))
    assert done.code == 1
    assert "must be owner of" in done.output
    assert "must own the table" in done.output
    assert (columns(database), files(database)) == before


def test_a_role_that_owns_nothing_may_run_the_job_on_a_schema_that_is_up_to_date(
    plain_role: tuple[str, str], database: str
) -> None:
    migrate(database)
    assert migrate(address(database, login=plain_role[1])).was_up_to_date


def test_a_read_only_server_is_named_as_the_reason(database: str) -> None:
    name = urlsplit(database).path.removeprefix("/")
    run(database, f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    done = migrate(database)
    assert done.code == 1
    assert "DATABASE_URL must name the primary" in done.output


def test_mentor_writer_runs_the_functions_statements_and_no_others(database: str) -> None:
    migrate(database)
    row = {
        "id": str(uuid4()),
        "student_id": str(uuid4()),
        "message": "too hard",
        "perceived_difficulty": "hard",
        "strategy_snapshot": {},
        "traceparent": NO_TRACE,
        "concern": "none",
    }
    with session(database) as connection:
        connection.run("CREATE TABLE grades ()")
        connection.run("SET ROLE mentor_writer")
        for _ in range(2):
            connection.prepare(INSERT).run(entries=json.dumps([row]))
        assert len(connection.prepare(SELECT).run(ids=json.dumps([row["id"]]))) == 1
        connection.run(REVISION)
        assert_refused(connection, "UPDATE feedback SET message = ''")
        assert_refused(connection, "UPDATE strategy_revision SET concern = 'none'")
        assert_refused(connection, "DELETE FROM feedback")
        assert_refused(connection, "DELETE FROM strategy_revision")
        assert_refused(connection, "TRUNCATE feedback")
        assert_refused(connection, ERASURE)
        assert_refused(connection, "SELECT FROM student_erasure")
        assert_refused(connection, "SELECT FROM feedback_count")
        assert_refused(connection, "SELECT FROM grades")
        assert_refused(connection, "ALTER TABLE feedback ADD COLUMN more TEXT")
        assert_refused(connection, "CREATE INDEX ON feedback (message)")


def test_mentor_cdc_reads_and_writes_nothing(database: str) -> None:
    migrate(database)
    with session(database) as connection:
        connection.run("SET ROLE mentor_cdc")
        assert connection.run("SELECT * FROM feedback") == []
        assert connection.run("SELECT * FROM strategy_revision") == []
        assert connection.run("SELECT * FROM student_erasure") == []
        for sql in (ORIGINAL_INSERT, REVISION, ERASURE, "SELECT FROM feedback_count"):
            assert_refused(connection, sql)


def test_mentor_eraser_neither_writes_nor_changes_feedback(database: str) -> None:
    migrate(database)
    with session(database) as connection:
        connection.run("SET ROLE mentor_eraser")
        for sql in (
            *(ORIGINAL_INSERT, REVISION, "UPDATE feedback SET message = ''"),
            *("UPDATE strategy_revision SET concern = ''", "TRUNCATE feedback"),
            *("UPDATE student_erasure SET student_id = id", "DELETE FROM feedback_count"),
        ):
            assert_refused(connection, sql)


def test_rows_that_row_level_security_hides_from_a_snapshot_are_told(database: str) -> None:
    migrate(database)
    run(database, f"{ORIGINAL_INSERT}; {REVISION}; {ERASURE}")
    for table in ("feedback", "strategy_revision", "student_erasure"):
        run(database, f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        for _ in range(2):
            done = migrate(database)
            [told] = done.events_missing
            assert told == f"row-level security hides rows of {table} from Debezium's snapshots"
            assert visible(database, table) == 0
        run(database, done.hints[0].removeprefix("The owner: "))
        assert migrate(database).events_missing == []
        assert visible(database, table) == 1


def visible(database: str, table: str) -> int:
    """The rows that Debezium's role can read."""
    with session(database) as connection:
        connection.run("SET ROLE mentor_cdc")
        [[count]] = connection.run(f"SELECT count(*) FROM {table}")
    return int(count)


def test_functions_that_others_created_are_not_run(
    plain_role: tuple[str, str], database: str
) -> None:
    """Each matches a call of the job better than PostgreSQL's own function does."""
    role, login = plain_role
    run(database, "GRANT CREATE ON SCHEMA public TO PUBLIC")  # as it is on PostgreSQL 14
    stranger = address(database, login=login)
    for function in (
        "format(text, text, text) RETURNS text",
        "array_to_string(text[], text) RETURNS text",
        "unnest(text[]) RETURNS SETOF text",
    ):
        body = "BEGIN RAISE 'run by %', current_user; END"
        run(stranger, f"CREATE FUNCTION public.{function} LANGUAGE plpgsql AS $${body}$$")
    done = migrate(database)
    assert done.code == 0, done.output
    assert migrate(database).was_up_to_date
    run(database, f"DROP OWNED BY {role}")
