"""The job repairs the publication, and says which events are missing then."""

import pytest

from tests.migrate.job import COLUMNS, COPY, ERASURE, ORIGINAL_INSERT, REVISION, migrate, run
from tests.migrate.slots import create_slot, skipping, statement

UPDATES_OF_ALL = """
DROP PUBLICATION mentor_feedback;
CREATE PUBLICATION mentor_feedback FOR ALL TABLES WITH (publish = 'update')
"""
WHOLE_SCHEMA_AND_FILTER = """
FOR TABLES IN SCHEMA public, TABLE feedback WHERE (student_id IS NULL) WITH (publish = 'insert')
"""
ALL_TABLES = """
FOR TABLE feedback, strategy_revision, student_erasure
WITH (publish = 'insert', publish_via_partition_root)
"""
FILTERED = """
ALTER PUBLICATION mentor_feedback SET TABLE feedback WHERE (student_id IS NULL)
"""


def test_a_publication_of_more_than_inserts_is_narrowed(database: str) -> None:
    run(database, "CREATE PUBLICATION mentor_feedback")
    assert migrate(database).code == 0
    published = "SELECT pubinsert, pubupdate, pubdelete, pubtruncate FROM pg_publication"
    assert run(database, published) == [[True, False, False, False]]
    tables = run(database, "SELECT schemaname, tablename FROM pg_publication_tables")
    names = ("feedback", "strategy_revision", "student_erasure")
    assert sorted(tables) == [["public", name] for name in names]


@pytest.mark.parametrize(
    "damage",
    [
        "DROP PUBLICATION mentor_feedback",
        "ALTER PUBLICATION mentor_feedback DROP TABLE feedback",
        "ALTER PUBLICATION mentor_feedback SET (publish = 'update')",
        COPY,
        FILTERED,
        "ALTER PUBLICATION mentor_feedback SET TABLE feedback (id, student_id)",
        "CREATE SCHEMA archive; ALTER PUBLICATION mentor_feedback SET TABLES IN SCHEMA archive",
        UPDATES_OF_ALL,
    ],
)
def test_a_damaged_publication_is_repaired_and_each_run_warns_until_the_slot_is_gone(
    database: str, slot: str, damage: str
) -> None:
    run(database, damage)
    run(database, ORIGINAL_INSERT)
    done = migrate(database)
    assert done.code == 0, done.output
    assert skipping(done) == [slot]
    assert published(database)
    again = migrate(database)
    assert again.was_up_to_date
    assert skipping(again) == [slot]
    run(database, statement(again.hints[0]))
    assert skipping(migrate(database)) == []
    create_slot(database, slot)
    last = migrate(database)
    assert last.was_up_to_date
    assert skipping(last) == []


@pytest.mark.parametrize(
    "publication",
    [
        "FOR ALL TABLES WITH (publish = 'insert')",
        "FOR TABLES IN SCHEMA public WITH (publish = 'insert')",
        WHOLE_SCHEMA_AND_FILTER,  # PostgreSQL ignores the filter
        ALL_TABLES,
    ],
)
def test_a_publication_of_more_tables_is_complete(
    database: str, slot: str, publication: str
) -> None:
    run(database, "DROP PUBLICATION mentor_feedback")
    run(database, f"CREATE PUBLICATION mentor_feedback {publication}")
    run(database, ORIGINAL_INSERT)
    done = migrate(database)
    assert done.was_up_to_date, done.output
    assert skipping(done) == []
    assert published(database)
    run(database, ORIGINAL_INSERT)
    assert inserts(database, slot) == 2


@pytest.mark.parametrize(
    ("table", "insert"), [("strategy_revision", REVISION), ("student_erasure", ERASURE)]
)
def test_a_publication_of_an_earlier_release_gets_the_table(
    database: str, slot: str, table: str, insert: str
) -> None:
    run(database, f"DROP TABLE {table}")
    run(database, ORIGINAL_INSERT)
    done = migrate(database)
    assert done.code == 0, done.output
    assert f"created the table {table}" in done.changes
    assert skipping(done) == []  # it had no rows that the slot could skip
    run(database, insert)
    assert inserts(database, slot) == 2


@pytest.mark.parametrize(
    "damage",
    [
        "DROP PUBLICATION mentor_feedback",
        "ALTER PUBLICATION mentor_feedback DROP TABLE strategy_revision",
        "ALTER PUBLICATION mentor_feedback SET TABLE feedback, strategy_revision (id, student_id)",
    ],
)
def test_skipped_revisions_are_told_too(database: str, slot: str, damage: str) -> None:
    run(database, damage)
    run(database, REVISION)
    assert skipping(migrate(database)) == [slot]
    again = migrate(database)
    assert again.was_up_to_date
    assert skipping(again) == [slot]
    run(database, statement(again.hints[0]))
    create_slot(database, slot)
    run(database, REVISION)
    assert inserts(database, slot) == 1


def inserts(database: str, slot: str) -> int:
    """How many rows the slot yields through the publication."""
    [[count]] = run(
        database,
        f"SELECT count(*) FROM pg_logical_slot_peek_binary_changes('{slot}', NULL, NULL,"
        " 'proto_version', '1', 'publication_names', 'mentor_feedback')"
        " WHERE get_byte(data, 0) = ascii('I')",
    )
    return int(count)


def published(database: str) -> bool:
    """Whether all of the table's columns and rows, and nothing but inserts, are published."""
    tables = run(
        database,
        "SELECT entry ->> 'rowfilter',"
        f" coalesce(jsonb_array_length(entry -> 'attnames'), {len(COLUMNS)})"
        " FROM pg_publication_tables JOIN pg_publication USING (pubname)"
        " CROSS JOIN LATERAL to_jsonb(pg_publication_tables) AS entry"  # PostgreSQL 14 lacks both
        " WHERE pubname = 'mentor_feedback' AND tablename = 'feedback'"
        " AND pubinsert AND NOT pubupdate",
    )
    return bool(tables == [[None, len(COLUMNS)]])
