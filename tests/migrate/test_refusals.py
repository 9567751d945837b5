"""The job refuses a database that isn't the mentor service's, and leaves it as it was."""

import secrets
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.migrate.job import INDEXES, ORIGINAL, address, indexes, migrate, run

CREATED = """
SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace
UNION ALL SELECT typname::text FROM pg_type WHERE typnamespace = 'public'::regnamespace
UNION ALL SELECT pubname::text FROM pg_publication ORDER BY 1
"""
TYPE, TABLE, *_ = ORIGINAL.split(";")
GENERATED = "sentiment TEXT GENERATED ALWAYS AS ('positive') STORED"
EVENT_TRIGGER = """
CREATE FUNCTION stop() RETURNS event_trigger LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'no changes today'; END $$;
CREATE EVENT TRIGGER stop ON ddl_command_start EXECUTE FUNCTION stop()
"""
FOREIGN_TABLE = """
CREATE FOREIGN DATA WRAPPER elsewhere; CREATE SERVER elsewhere FOREIGN DATA WRAPPER elsewhere;
CREATE FOREIGN TABLE feedback (id UUID) SERVER elsewhere
"""
PARTITIONED = TABLE.replace("id UUID PRIMARY KEY", "id UUID") + " PARTITION BY RANGE (created_at)"
PARTITION = f"""
{TABLE.replace("feedback", "everything")} PARTITION BY HASH (id);
CREATE TABLE feedback PARTITION OF everything FOR VALUES WITH (MODULUS 1, REMAINDER 0)
"""


def assert_refused(database: str, *reasons: str) -> None:
    before = run(database, CREATED)
    done = migrate(database)
    assert done.code == 1, done.output
    for reason in reasons:
        assert reason in done.output
    assert done.changes == []
    assert run(database, CREATED) == before


@pytest.mark.parametrize(
    ("foreign", "reason"),
    [
        ("CREATE TABLE feedback (stars INTEGER)", "student_id is missing"),
        (f"{TYPE}; {TABLE.replace('message TEXT', 'message BYTEA')}", "message is bytea"),
        (f"{TYPE}; {TABLE}; ALTER TABLE feedback ADD sentiment FLOAT", "sentiment is double prec"),
        (f"{TYPE}; {TABLE}; ALTER TABLE feedback ADD page TEXT NOT NULL", "page needs a default"),
        (f"{TYPE}; {TABLE.replace('PRIMARY KEY', 'NOT NULL')}", "no primary key (id)"),
        (f"{TYPE}; {TABLE}; ALTER TABLE feedback ALTER created_at DROP DEFAULT", "no default"),
        (f"{TYPE}; {TABLE.replace('TABLE', 'UNLOGGED TABLE')}", "SET LOGGED"),
        (f"{TYPE}; {PARTITIONED}", "feedback is partitioned"),
        (f"{TYPE}; {PARTITION}", "feedback is a partition"),
        (f"{TYPE}; {TABLE}; ALTER TABLE feedback ADD traceparent TEXT", "traceparent may be null"),
        (f"{TYPE}; {TABLE}; ALTER TABLE feedback ADD concern TEXT", "concern may be null"),
        (f"{TYPE}; {TABLE}; ALTER TABLE feedback ADD task_id TEXT NOT NULL", "task_id needs a def"),
        (f"{TYPE}; {TABLE.replace('student_id UUID NOT NULL', 'student_id UUID')}", "may be null"),
        (f"{TYPE}; {TABLE}; ALTER TABLE feedback ADD {GENERATED}", "sentiment is generated"),
        (FOREIGN_TABLE, "feedback is not a table"),
        (EVENT_TRIGGER, "no changes today. A trigger of this database refuses the change"),
        ("CREATE VIEW feedback AS SELECT 1 AS id", "feedback is not a table"),
        ("CREATE SEQUENCE feedback", "feedback is not a table"),
        (
            "CREATE TYPE difficulty_level AS ENUM ('low', 'high')",
            "the type difficulty_level",
        ),
        ("CREATE TABLE difficulty_level (name TEXT)", "the type difficulty_level"),
        ("CREATE TABLE strategy_revision (id UUID)", "the table strategy_revision is not that"),
        ("CREATE VIEW strategy_revision AS SELECT 1 AS id", "it lacks"),
        ("CREATE TABLE student_erasure (id UUID)", "it lacks student_id uuid, created_at"),
        ("CREATE TABLE feedback_count (week TEXT)", "the table feedback_count is not that"),
        (f"{TYPE}; {TABLE}; CREATE RULE away AS ON INSERT TO feedback DO NOTHING", "the rule away"),
        (f"{TYPE}; {TABLE}; CREATE RULE away AS ON UPDATE TO feedback DO NOTHING", "the rule away"),
        (f"{TYPE}; {TABLE}; CREATE TYPE strategy_revision AS ENUM ('a')", "strategy_revision is t"),
        (f"{TYPE}; {TABLE}; CREATE VIEW idx_feedback_student_id AS SELECT 1", "rename it"),
    ],
)
def test_a_table_or_type_of_something_else_is_left_alone(
    database: str, foreign: str, reason: str
) -> None:
    run(database, foreign)
    assert_refused(database, reason)


def test_a_read_only_database_is_refused_also_if_nothing_is_missing(database: str) -> None:
    assert migrate(database).code == 0
    name = urlsplit(database).path.removeprefix("/")
    run(database, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    assert_refused(database, "DATABASE_URL must name the primary")


def test_all_that_is_wrong_with_a_table_is_told_at_once(database: str) -> None:
    run(database, "CREATE TABLE feedback (id INTEGER PRIMARY KEY, stars INTEGER NOT NULL)")
    assert_refused(database, "id is integer", "message is missing", "stars needs a default")


@pytest.fixture(params=["SQL_ASCII", "LATIN1"])
def odd_database(server_url: str, request: pytest.FixtureRequest) -> Iterator[str]:
    name = f"odd_{secrets.token_hex(4)}"
    run(
        server_url,
        f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{request.param}'"
        " LOCALE_PROVIDER libc LOCALE 'C'",
    )
    yield address(server_url, database=name)
    run(server_url, f"DROP DATABASE {name} WITH (FORCE)")


def test_a_database_that_can_not_hold_every_message_is_refused(odd_database: str) -> None:
    assert_refused(odd_database, "the encoding of the database is", "ENCODING 'UTF8' LOCALE 'C'")


def test_a_name_that_another_table_has_for_its_index_is_named(database: str) -> None:
    run(database, f"{TYPE}; {TABLE}; ALTER TABLE feedback ALTER created_at TYPE TIMESTAMPTZ")
    run(database, "CREATE TABLE aside (id UUID)")
    run(database, "CREATE INDEX idx_feedback_student_id ON aside (id)")
    done = migrate(database)
    assert done.code == 1
    assert "idx_feedback_student_id" in done.output
    assert "rename it, and run this again" in done.output
    run(database, "ALTER INDEX idx_feedback_student_id RENAME TO idx_aside")
    assert migrate(database).code == 0
    assert indexes(database) == INDEXES


def test_a_database_without_its_schema_gets_the_statement(database: str) -> None:
    run(database, "DROP SCHEMA public")
    done = migrate(database)
    assert done.code == 1
    assert "CREATE SCHEMA public" in done.output
