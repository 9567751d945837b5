"""The job names what the owner added to the table and what may refuse each row."""

import pytest

from tests.migrate.job import migrate, run

FOREIGN_KEY = """
CREATE TABLE student (id UUID PRIMARY KEY);
ALTER TABLE feedback ADD CONSTRAINT known FOREIGN KEY (student_id) REFERENCES student (id) NOT VALID
"""
TRIGGER = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
CREATE TRIGGER refuse BEFORE {} ON feedback FOR EACH ROW EXECUTE FUNCTION refuse()
"""

RULE = "CREATE RULE away AS ON INSERT TO feedback DO INSTEAD NOTHING"


@pytest.mark.parametrize(
    ("added", "suspect"),
    [
        (FOREIGN_KEY, "known FOREIGN KEY (student_id) REFERENCES public.student(id) NOT VALID"),
        ("ALTER TABLE feedback ADD CONSTRAINT no CHECK (false) NOT VALID", "no CHECK (false) NOT "),
        (
            "CREATE UNIQUE INDEX one_each ON feedback (student_id)",
            "the unique index public.one_each",
        ),
        (
            "CREATE UNIQUE INDEX one ON feedback (student_id) INCLUDE (id)",
            "the unique index public.one",
        ),
        (TRIGGER.format("INSERT"), "the trigger refuse"),
        ("ALTER TABLE feedback ENABLE ROW LEVEL SECURITY", "row-level security"),
    ],
)
def test_what_may_refuse_rows_is_named_in_each_run(
    feedback_database: str, added: str, suspect: str
) -> None:
    run(feedback_database, added)
    for _ in range(2):
        done = migrate(feedback_database)
        assert done.was_up_to_date
        assert [what.partition(suspect)[:2] for what in done.suspects] == [
            ("feedback has ", suspect)
        ]


@pytest.mark.parametrize(
    "harmless",
    [
        "CREATE UNIQUE INDEX pair ON feedback (id, student_id)",
        TRIGGER.format("UPDATE"),
        f"{TRIGGER.format('INSERT')}; ALTER TABLE feedback DISABLE TRIGGER refuse",
        f"{TRIGGER.format('INSERT')}; ALTER TABLE feedback ENABLE REPLICA TRIGGER refuse",
        f"{RULE}; ALTER TABLE feedback DISABLE RULE away",
        "SELECT",
    ],
)
def test_what_refuses_no_row_is_not_named(feedback_database: str, harmless: str) -> None:
    run(feedback_database, harmless)
    assert migrate(feedback_database).suspects == []
