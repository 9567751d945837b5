"""The SQL of docs/operations.md, on a server that has nothing yet."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.postgres import EmbeddedPostgres
from tests.erasure.job import erase
from tests.instance import STUDENT, running
from tests.migrate.job import REVISION, address, assert_refused, migrate, run, session
from tests.operations_guide import guides_sql


@pytest.fixture
def prepared_server() -> Iterator[EmbeddedPostgres]:
    """A server on which somebody followed the guide, with a password for each '...'."""
    sql = guides_sql("CREATE DATABASE")
    create_database, rest = sql.replace("'...'", "'s3cret'").split("\\connect mentor\n")
    with EmbeddedPostgres.temporary() as server:
        run(server.url(), create_database)
        run(server.url("mentor"), rest)
        yield server


def test_its_roles_suffice_for_the_jobs_and_for_the_function(
    prepared_server: EmbeddedPostgres, tmp_path: Path
) -> None:
    url = prepared_server.url("mentor")
    done = migrate(address(url, login="mentor_owner"))
    assert (done.code, done.left_undone) == (0, []), done.output
    with running(tmp_path / "log", address(url, login="mentor_function")) as function:
        assert function.wait_until_ready().post().status == 200
    shown = run(address(url, login="mentor_function"), "SHOW log_error_verbosity")
    assert shown == [["terse"]]
    with session(address(url, login="mentor_debezium")) as connection:
        assert len(connection.run("SELECT FROM feedback")) == 1
        connection.run("SELECT pg_create_logical_replication_slot('slot', 'pgoutput')")
        connection.run("SELECT pg_drop_replication_slot('slot')")
        assert_refused(connection, "DELETE FROM feedback")
    erased = erase(address(url, login="mentor_privacy"), STUDENT, "--confirm")
    assert erased.code == 0, erased.output
    assert run(url, "SELECT count(*) FROM feedback") == [[0]]


def test_its_count_of_what_was_not_analyzed_runs(feedback_database: str) -> None:
    sql = guides_sql("date_trunc")
    run(
        feedback_database,
        "INSERT INTO feedback (student_id, perceived_difficulty, strategy_snapshot) VALUES"
        """ (gen_random_uuid(), 'ok', '{"feedback_based": false}'),"""
        """ (gen_random_uuid(), 'ok', '{"feedback_based": true}')""",
    )
    [[_, count]] = run(feedback_database, sql)
    assert count == 1


def test_its_count_of_what_is_left_to_ask_runs(feedback_database: str) -> None:
    run(
        feedback_database,
        "INSERT INTO feedback (student_id, message, perceived_difficulty, strategy_snapshot)"
        """ SELECT gen_random_uuid(), 'hard', 'ok', '{"feedback_based": false}'"""
        " FROM generate_series(1, 3)",
    )
    revised = REVISION.replace("gen_random_uuid()", "(SELECT id FROM feedback LIMIT 1)", 1)
    run(feedback_database, revised)
    assert run(feedback_database, guides_sql("SELECT FROM strategy_revision")) == [[2]]
