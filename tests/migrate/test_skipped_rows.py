"""The job warns of slots that skipped rows, until somebody acted."""

import re
import secrets

from tests.migrate.job import ORIGINAL_INSERT, ROOT, address, migrate, run, session
from tests.migrate.slots import create_slot, damage, skipping, statement

GUIDE = (ROOT / "docs/events.md").read_text(encoding="utf-8")


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


def test_a_role_that_owns_nothing_repeats_the_warning_and_locks_nothing(
    plain_role: tuple[str, str], database: str, slot: str
) -> None:
    damage(database)
    migrate(database)
    plain = address(database, login=plain_role[1])
    with session(database) as other:
        other.run("BEGIN; LOCK TABLE feedback IN ACCESS EXCLUSIVE MODE")
        again = migrate(plain, timeout=2)
    assert again.was_up_to_date, again.output
    assert skipping(again) == [slot]
    run(database, f"SELECT pg_drop_replication_slot('{slot}')")
    last = migrate(plain)
    assert last.was_up_to_date
    assert (last.left_undone, last.events_missing) == ([], [])


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


def test_the_slot_of_another_database_is_not_named(
    server_url: str, database: str, slot: str
) -> None:
    other = f"mentor_events_{secrets.token_hex(4)}"
    create_slot(server_url, other)
    damage(database)
    done = migrate(database)
    run(server_url, f"SELECT pg_drop_replication_slot('{other}')")
    assert skipping(done) == [slot]


def test_without_a_slot_or_a_row_no_event_is_missing(database: str) -> None:
    assert skipping(migrate(database)) == []
    damage(database)
    assert skipping(migrate(database)) == []


def test_a_table_without_rows_lacks_no_events(database: str, slot: str) -> None:
    run(database, "DROP TABLE feedback")
    assert skipping(migrate(database)) == []


def test_the_statement_is_that_of_the_guide(database: str, slot: str) -> None:
    [wanted] = re.findall(r"```sql\n(SELECT pg_drop_replication_slot.*?);\n```", GUIDE, re.DOTALL)
    damage(database)
    [hint] = migrate(database).hints
    assert statement(hint).replace(slot, "mentor_feedback") == " ".join(wanted.split())


def comment(database: str) -> str:
    [[text]] = run(database, "SELECT obj_description(oid, 'pg_publication') FROM pg_publication")
    return str(text)
