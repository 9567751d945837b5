"""The job repairs the publication, and says which events are missing then."""

import re
import secrets
from collections.abc import Iterator

import pytest

from tests.migrate.job import COPY, ORIGINAL_INSERT, ROOT, Run, migrate, run

GUIDE = (ROOT / "docs/events.md").read_text(encoding="utf-8")
UPDATES_OF_ALL = """
DROP PUBLICATION mentor_feedback;
CREATE PUBLICATION mentor_feedback FOR ALL TABLES WITH (publish = 'update')
"""
WHOLE_SCHEMA_AND_FILTER = """
FOR TABLES IN SCHEMA public, TABLE feedback WHERE (student_id IS NULL) WITH (publish = 'insert')
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
    assert tables == [["public", "feedback"]]


@pytest.fixture
def slot(database: str) -> Iterator[str]:
    """A slot of any name on a database that has the schema."""
    assert migrate(database).code == 0
    name = f"analytics_{secrets.token_hex(4)}"
    create_slot(database, name)
    yield name
    run(
        database,
        f"SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
        f" WHERE slot_name = '{name}'",
    )


def create_slot(database: str, name: str) -> None:
    run(database, f"SELECT pg_create_logical_replication_slot('{name}', 'pgoutput')")


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


def test_whoever_made_a_new_slot_ends_the_warning(database: str, slot: str) -> None:
    damage(database)
    [hint] = migrate(database).hints
    run(database, statement(hint))
    create_slot(database, slot)
    again = migrate(database)
    assert skipping(again) == [slot]  # nobody can tell a new slot from the old one
    end_of_warning = "COMMENT ON PUBLICATION mentor_feedback IS NULL"
    assert end_of_warning in hint
    assert f"{end_of_warning};\n" in GUIDE
    run(database, end_of_warning)
    assert skipping(migrate(database)) == []


def test_a_comment_of_somebody_else_stays(database: str, slot: str) -> None:
    theirs = "Read by Debezium.\n100 % of the rows"
    run(database, f"COMMENT ON PUBLICATION mentor_feedback IS '{theirs}'")
    run(database, "ALTER PUBLICATION mentor_feedback DROP TABLE feedback")
    run(database, ORIGINAL_INSERT)
    assert skipping(migrate(database)) == [slot]
    assert comment(database).startswith(f"{theirs}\n")
    run(database, f"SELECT pg_drop_replication_slot('{slot}')")
    assert migrate(database).code == 0
    assert comment(database) == theirs


def test_a_second_incident_names_the_slots_of_both(database: str, slot: str) -> None:
    damage(database)
    assert skipping(migrate(database)) == [slot]
    second = f"audit_{secrets.token_hex(4)}"
    create_slot(database, second)
    try:
        assert skipping(migrate(database)) == [slot]
        run(database, "ALTER PUBLICATION mentor_feedback DROP TABLE feedback")
        assert skipping(migrate(database)) == sorted([slot, second])
        assert skipping(migrate(database)) == sorted([slot, second])
    finally:
        run(database, f"SELECT pg_drop_replication_slot('{second}')")


def test_the_slot_of_a_standby_is_not_named(database: str, slot: str) -> None:
    run(database, f"SELECT pg_drop_replication_slot('{slot}')")
    run(database, f"SELECT pg_create_physical_replication_slot('{slot}')")
    damage(database)
    assert skipping(migrate(database)) == []


@pytest.mark.parametrize(
    "publication",
    [
        "FOR ALL TABLES WITH (publish = 'insert')",
        "FOR TABLES IN SCHEMA public WITH (publish = 'insert')",
        WHOLE_SCHEMA_AND_FILTER,  # PostgreSQL ignores the filter
        "FOR TABLE feedback WITH (publish = 'insert', publish_via_partition_root)",
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


def test_without_a_slot_or_a_row_no_event_is_missing(database: str) -> None:
    assert skipping(migrate(database)) == []
    damage(database)
    assert skipping(migrate(database)) == []


def test_a_table_without_rows_lacks_no_events(database: str, slot: str) -> None:
    run(database, "DROP TABLE feedback")
    assert skipping(migrate(database)) == []


def test_the_slot_of_another_database_is_not_named(
    server_url: str, database: str, slot: str
) -> None:
    other = f"mentor_events_{secrets.token_hex(4)}"
    create_slot(server_url, other)
    damage(database)
    done = migrate(database)
    run(server_url, f"SELECT pg_drop_replication_slot('{other}')")
    assert skipping(done) == [slot]


def test_the_statement_is_that_of_the_guide(database: str, slot: str) -> None:
    [wanted] = re.findall(r"```sql\n(SELECT pg_drop_replication_slot.*?);\n```", GUIDE, re.DOTALL)
    damage(database)
    [hint] = migrate(database).hints
    assert statement(hint).replace(slot, "mentor_feedback") == " ".join(wanted.split())


def damage(database: str) -> None:
    run(database, "DROP PUBLICATION mentor_feedback")
    run(database, ORIGINAL_INSERT)


def skipping(done: Run) -> list[str]:
    """The slots of which the job says that they skipped rows."""
    found = re.findall(r"the slot (\w+) skipped", " ".join(done.events_missing))
    assert len(found) == len(done.events_missing)
    return sorted(found)


def statement(hint: str) -> str:
    return "SELECT" + hint.partition("SELECT")[2]


def comment(database: str) -> str:
    [[text]] = run(database, "SELECT obj_description(oid, 'pg_publication') FROM pg_publication")
    return str(text)


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
        "SELECT entry ->> 'rowfilter', coalesce(jsonb_array_length(entry -> 'attnames'), 11)"
        " FROM pg_publication_tables JOIN pg_publication USING (pubname)"
        " CROSS JOIN LATERAL to_jsonb(pg_publication_tables) AS entry"  # PostgreSQL 14 lacks both
        " WHERE pubname = 'mentor_feedback' AND tablename = 'feedback'"
        " AND pubinsert AND NOT pubupdate",
    )
    return bool(tables == [[None, 11]])
