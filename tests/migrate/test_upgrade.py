"""The job on a database of the original service, in use."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from tests.migrate.job import (
    COLUMNS,
    INDEXES,
    NO_TRACE,
    ORIGINAL,
    ORIGINAL_INSERT,
    columns,
    files,
    indexes,
    migrate,
    run,
    session,
)
from tests.waiting import wait_until

OLDER_INSERT = f"""
INSERT INTO feedback (id, student_id, task_id, message, perceived_difficulty, difficulty_adjustment,
                      topic_weights, sentiment, strategy_snapshot, traceparent)
VALUES (gen_random_uuid(), gen_random_uuid(), 'task-123', 'too hard', 'hard', 0,
        '{{"general": 1}}', 'neutral', '{{}}', '{NO_TRACE}')
"""
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'"


@pytest.mark.parametrize("rows", [0, 3])
@pytest.mark.parametrize("kind", ["TIMESTAMP", "TIMESTAMPTZ"])
def test_the_originals_table_is_upgraded_in_place(database: str, kind: str, rows: int) -> None:
    run(database, ORIGINAL.replace("TIMESTAMP", kind))
    for _ in range(rows):
        run(database, ORIGINAL_INSERT)
    data = "SELECT id, student_id, message, strategy_snapshot, created_at::text FROM feedback"
    before, files_before = run(database, f"SET timezone = 'UTC'; {data}"), files(database)
    done = migrate(database)
    assert done.code == 0, done.output
    assert columns(database) == COLUMNS
    assert indexes(database) == INDEXES
    after = run(database, f"SET timezone = 'UTC'; {data}")
    assert [row[:4] for row in after] == [row[:4] for row in before]
    assert [row[4].removesuffix("+00") for row in after] == [
        row[4].removesuffix("+00") for row in before
    ]
    added = run(
        database,
        "SELECT DISTINCT task_id, difficulty_adjustment, topic_weights, sentiment, traceparent,"
        " concern FROM feedback",
    )
    assert added == ([[None, None, None, None, NO_TRACE, "unassessed"]] if rows else [])
    rewritten = {name for name, file in files(database).items() if files_before[name] != file}
    # An index on TIMESTAMP is of no use to TIMESTAMPTZ; nothing else is written anew.
    anew = ["idx_feedback_created_at"] if kind == "TIMESTAMP" else []
    assert rewritten == set(anew)
    # And not under the table's lock.
    built = [change.split()[3] for change in done.changes if "INDEX CONCURRENTLY" in change]
    assert built == anew
    assert migrate(database).was_up_to_date


def test_a_table_without_concerns_gets_them_and_takes_the_older_functions_rows(
    database: str,
) -> None:
    migrate(database)
    run(database, "ALTER TABLE feedback DROP COLUMN concern")
    run(database, OLDER_INSERT)
    before = files(database)
    done = migrate(database)
    assert done.changes == ["added the columns that the table lacked"]
    assert files(database) == before
    run(database, OLDER_INSERT)
    assert run(database, "SELECT concern FROM feedback") == [["unassessed"]] * 2
    assert migrate(database).was_up_to_date


def test_the_sessions_time_zone_moves_no_timestamp(database: str) -> None:
    run(database, ORIGINAL)
    run(database, ORIGINAL_INSERT)
    run(database, "UPDATE feedback SET created_at = '2026-02-16 10:12:45.123456'")
    name = urlsplit(database).path.removeprefix("/")
    run(database, f"""ALTER DATABASE "{name}" SET timezone = 'Asia/Tokyo'""")
    before = files(database)["feedback"]
    assert migrate(database).code == 0
    stored = run(database, "SELECT (created_at AT TIME ZONE 'UTC')::text FROM feedback")
    assert stored == [["2026-02-16 10:12:45.123456"]]
    assert files(database)["feedback"] == before


@contextmanager
def inserting(url: str) -> Iterator[list[object]]:
    """The original at work: one item for each of its inserts."""
    inserts: list[object] = []
    stop = threading.Event()

    def insert() -> None:
        with session(url) as connection:
            while not stop.is_set():
                inserts.append(connection.run(ORIGINAL_INSERT))

    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(insert)
        try:
            yield inserts
        finally:
            stop.set()
            writer.result()


def test_the_originals_inserts_go_on_while_the_job_waits_for_a_long_transaction(
    database: str,
) -> None:
    run(database, ORIGINAL)
    run(
        database,
        "INSERT INTO feedback (student_id, perceived_difficulty, strategy_snapshot)"
        """ SELECT gen_random_uuid(), 'ok', '{"a": 1}' FROM generate_series(1, 50000)""",
    )
    with (
        inserting(database) as inserts,
        session(database) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        other.run("BEGIN; SELECT count(*) FROM feedback")
        job = pool.submit(migrate, database)
        wait_until(lambda: other.run(WAITING) != [[0]])
        wait_until(lambda: other.run(WAITING) == [[0]])  # for the first time it gave up
        gone_by = len(inserts)
        wait_until(lambda: len(inserts) > gone_by + 50)
        assert not job.done()
        other.run("COMMIT")
        done = job.result()
    assert done.code == 0, done.output
    assert "A transaction holds the table" in done.waits[0]
    assert columns(database) == COLUMNS
    assert indexes(database) == INDEXES
    assert run(database, "SELECT count(*) FROM feedback") == [[50000 + len(inserts)]]


def test_a_transaction_that_never_ends_is_named_as_the_reason(database: str) -> None:
    run(database, ORIGINAL)
    with session(database) as other:
        other.run("BEGIN; SELECT count(*) FROM feedback")
        done = migrate(database, timeout=1.5)
    assert done.code == 1
    assert "A transaction holds the table" in done.output
    assert "task_id" not in columns(database)


def test_what_depends_on_created_at_is_named_and_nothing_is_half_done(database: str) -> None:
    run(database, ORIGINAL)
    run(database, "CREATE VIEW latest AS SELECT max(created_at) FROM feedback")
    before = columns(database), files(database)
    done = migrate(database)
    assert done.code == 1
    assert "view public.latest depends on column" in done.output
    assert (columns(database), files(database)) == before


CHILD = """
CREATE TABLE parent (created_at TIMESTAMP NOT NULL); ALTER TABLE feedback INHERIT parent
"""


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ("CREATE INDEX ON feedback (student_id, (created_at::date))", "create it again with"),
        ("CREATE INDEX ON feedback (id) WHERE created_at > '2026-01-01'", "create it again with"),
        (CHILD, "ALTER TABLE feedback NO INHERIT"),
    ],
)
def test_what_keeps_created_at_as_it_is_has_a_hint(database: str, change: str, hint: str) -> None:
    run(database, ORIGINAL)
    run(database, change)
    done = migrate(database)
    assert done.code == 1
    assert hint in done.output


def test_a_copy_of_the_table_keeps_its_own_indexes(database: str) -> None:
    run(database, ORIGINAL)
    run(database, "ALTER TABLE feedback RENAME TO aside")
    run(database, "CREATE TABLE feedback (LIKE aside INCLUDING ALL)")
    done = migrate(database)
    assert done.code == 0, done.output
    assert [change for change in done.changes if "INDEX" in change] == []
    assert sorted(indexes(database).values()) == sorted(INDEXES.values())
    of_aside = "SELECT FROM pg_index WHERE indrelid = 'aside'::regclass"
    assert len(run(database, of_aside)) == len(INDEXES)
