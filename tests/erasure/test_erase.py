"""What a student said is deleted, its counts stay, and one event tells consumers."""

import subprocess
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from dev.paths import postgres_programs
from function.store import erasure
from tests.conftest import open_connection
from tests.erasure.job import (
    MONDAY,
    REVISE,
    WORD,
    counts,
    erase,
    execute,
    insert,
    places_of,
    running,
)
from tests.instance import FEEDBACK, STUDENT
from tests.instance import running as serving
from tests.waiting import wait_until

ERASURES = "SELECT student_id::text FROM student_erasure ORDER BY created_at"
NO_TOPIC = ""
TRIGGER = """
CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER keep BEFORE {} FOR EACH ROW EXECUTE FUNCTION keep()
"""
REFERENCE = """
CREATE TABLE note (feedback_id UUID REFERENCES feedback (id));
INSERT INTO note SELECT id FROM feedback
"""


def test_what_the_student_said_is_gone_and_the_counts_stay(feedback_database: str) -> None:
    student, other = insert(feedback_database), insert(feedback_database, 1)
    execute(feedback_database, REVISE, student=student)
    done = erase(feedback_database, student, "--confirm")
    assert done.code == 0, done.output
    [line] = done.lines("student erased")
    assert (line["student"], line["feedback"], line["revisions"]) == (1, 3, 1)
    assert len(done.lines("a copy may remain")) == 6
    assert student not in done.output
    assert places_of(feedback_database, student) == ["student_erasure"]
    assert places_of(feedback_database, WORD) == ["feedback"]  # of the other student
    assert execute(feedback_database, ERASURES) == [[student]]
    assert counts(feedback_database) == [
        (MONDAY, "easy", NO_TOPIC, 1),  # the revision decides
        (MONDAY, "easy", "algebra", 1),
        (MONDAY, "hard", NO_TOPIC, 2),
        (MONDAY, "hard", "fractions", 2),
        (MONDAY, "hard", "general", 2),  # the word was no topic
    ]
    assert erase(feedback_database, other, "--confirm").code == 0
    assert places_of(feedback_database, WORD) == []
    assert WORD not in dumped(feedback_database)


def dumped(url: str) -> str:
    """What a backup would contain."""
    command = [str(postgres_programs() / "pg_dump"), "--dbname", url]
    return subprocess.check_output(command, text=True)


def test_without_confirm_nothing_changes(feedback_database: str) -> None:
    student = insert(feedback_database)
    execute(feedback_database, REVISE, student=student)
    done = erase(feedback_database, student)
    assert done.code == 0
    [line] = done.lines("student would be erased")
    assert (line["feedback"], line["revisions"]) == (3, 1)
    assert places_of(feedback_database, student) == ["feedback", "strategy_revision"]
    assert execute(feedback_database, ERASURES) == []


@pytest.mark.parametrize("stdin", [False, True])
def test_a_file_names_several_students(feedback_database: str, tmp_path: Path, stdin: bool) -> None:
    students = [insert(feedback_database) for _ in range(3)]
    text = f"{students[0]}\n\n  {students[1].upper()} \n{students[0]}\n"
    file = tmp_path / "students.txt"
    file.write_text(text, encoding="utf-8-sig")  # as an editor on Windows saves it
    done = erase(feedback_database, "--confirm", "--file", "-" if stdin else str(file), stdin=text)
    assert done.code == 0, done.output
    assert execute(feedback_database, ERASURES) == [[student] for student in students[:2]]
    assert execute(feedback_database, "SELECT DISTINCT student_id::text FROM feedback") == [
        [students[2]]
    ]


@pytest.mark.parametrize(
    ("options", "text", "said"),
    [
        ([], "", "name one student"),
        (["--file", "-"], "\n", "names no student"),
        (["--file", "-"], f"{STUDENT}\nnobody\n", "line 2: must be a UUID"),
        (["--file", "nowhere.txt"], "", "can't be read"),
        (["00000000-0000-0000-0000-000000000000"], "", "nil UUID"),
        ([STUDENT, "--file", "-"], f"{STUDENT}\n", "name one student"),
        ([STUDENT, "--conf"], "", "unknown arguments"),
    ],
)
def test_wrong_options_are_told(
    feedback_database: str, options: list[str], text: str, said: str
) -> None:
    done = erase(feedback_database, *options, stdin=text)
    assert done.code == 2
    assert said in done.output


def test_a_second_student_is_refused_without_their_id(feedback_database: str) -> None:
    students = [insert(feedback_database) for _ in range(2)]
    done = erase(feedback_database, *students, "--confirm")
    assert done.code == 2
    assert "several students need a --file" in done.output
    assert not any(student in done.output for student in students)
    assert execute(feedback_database, ERASURES) == []


def test_a_student_without_feedback_gets_an_event_too(feedback_database: str) -> None:
    """Consumers may have what retention has deleted here."""
    student = str(uuid4())
    assert erase(feedback_database, student, "--confirm").code == 0
    assert execute(feedback_database, ERASURES) == [[student]]
    assert counts(feedback_database) == []


def test_rows_of_the_original_and_rows_from_the_future_are_erased(feedback_database: str) -> None:
    student = insert(feedback_database, 1, at="2099-01-01 00:00Z")
    execute(
        feedback_database,
        "INSERT INTO feedback (student_id, perceived_difficulty, strategy_snapshot, topic_weights)"
        " VALUES (CAST(:student AS uuid), 'ok', '{}', NULL),"
        " (CAST(:student AS uuid), 'ok', '{}', '[\"list\"]')",
        student=student,
    )
    assert erase(feedback_database, student, "--confirm").code == 0
    assert places_of(feedback_database, student) == ["student_erasure"]
    after = "SELECT created_at >= '2099-01-01 00:00:01Z' FROM student_erasure"
    assert execute(feedback_database, after) == [[True]]


def test_the_event_is_not_before_the_rows_of_a_full_batch(feedback_database: str) -> None:
    student = insert(feedback_database, erasure.BATCH, at="2099-01-01 00:00Z")
    assert erase(feedback_database, student, "--confirm").code == 0
    after = "SELECT created_at > '2099-01-01 00:00Z' FROM student_erasure"
    assert execute(feedback_database, after) == [[True]]


def test_a_run_that_is_killed_is_continued_by_the_next(feedback_database: str) -> None:
    """Each transaction deletes and counts, so that nothing is counted twice or missed."""
    total = 2 * erasure.BATCH + 5
    student = insert(feedback_database, total)
    with closing(open_connection(feedback_database)) as connection:
        # It holds up the last transaction, which inserts the event.
        connection.run("BEGIN; LOCK TABLE student_erasure IN SHARE MODE")
        with running(feedback_database, "function.erase", student, "--confirm") as process:
            wait_until(lambda: left(feedback_database) == 5)
            process.kill()
            process.wait()
        connection.run("ROLLBACK")
    wait_until(lambda: left(feedback_database) == 5)
    assert execute(feedback_database, ERASURES) == []
    assert erase(feedback_database, student, "--confirm").code == 0
    assert left(feedback_database) == 0
    assert (MONDAY, "hard", NO_TOPIC, total) in counts(feedback_database)
    assert execute(feedback_database, ERASURES) == [[student]]


def left(url: str) -> int:
    return int(execute(url, "SELECT count(*) FROM feedback")[0][0])


def test_inserts_do_not_wait_and_what_is_committed_later_stays(feedback_database: str) -> None:
    student = insert(feedback_database)
    with closing(open_connection(feedback_database)) as connection:
        connection.run("BEGIN; LOCK TABLE student_erasure IN SHARE MODE")  # the erasure waits
        with running(feedback_database, "function.erase", student, "--confirm") as process:
            wait_until(lambda: waits(feedback_database))
            insert(feedback_database, 1, student=student)
            connection.run("COMMIT")
            output, _ = process.communicate(timeout=60)
    assert '"feedback":3' in output
    assert left(feedback_database) == 1
    assert erase(feedback_database, student, "--confirm").code == 0
    assert left(feedback_database) == 0


def waits(url: str) -> bool:
    return bool(execute(url, "SELECT FROM pg_locks WHERE NOT granted"))


def test_a_repeat_of_an_old_key_is_new_feedback(feedback_database: str, tmp_path: Path) -> None:
    """Nothing is left that could recognize the repeat: its id was made of student and key."""
    with serving(tmp_path / "log", feedback_database) as instance:
        instance.wait_until_ready()
        first = instance.post(FEEDBACK, {"Idempotency-Key": "old"})
        assert erase(feedback_database, STUDENT, "--confirm").code == 0
        second = instance.post(FEEDBACK, {"Idempotency-Key": "old"})
        repeat = instance.post(FEEDBACK, {"Idempotency-Key": "old"})
    assert [one.headers.get("idempotency-replayed") for one in (first, second, repeat)] == [
        None,
        None,
        "true",
    ]
    [[is_later]] = execute(
        feedback_database,
        "SELECT feedback.created_at > e.created_at FROM feedback, student_erasure AS e",
    )
    assert is_later


def test_a_revision_that_is_being_inserted_is_erased_too(feedback_database: str) -> None:
    """The reanalysis has read the row, and commits its revision during the erasure."""
    student = insert(feedback_database)
    with closing(open_connection(feedback_database)) as connection:
        connection.run("BEGIN")
        connection.run(REVISE, student=student)
        with running(feedback_database, "function.erase", student, "--confirm") as process:
            wait_until(lambda: waits(feedback_database))
            connection.run("COMMIT")
            output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert places_of(feedback_database, student) == ["student_erasure"]
    assert places_of(feedback_database, WORD) == []


def test_a_revision_whose_feedback_was_deleted_by_hand_is_erased(feedback_database: str) -> None:
    student = insert(feedback_database)
    execute(feedback_database, REVISE, student=student)
    execute(feedback_database, "DELETE FROM feedback")
    [line] = erase(feedback_database, student, "--confirm").lines("student erased")
    assert (line["feedback"], line["revisions"]) == (0, 1)
    assert places_of(feedback_database, WORD) == []


@pytest.mark.parametrize(
    ("obstacle", "reason"),
    [
        (TRIGGER.format("DELETE ON feedback"), "kept rows"),
        (TRIGGER.format("DELETE ON strategy_revision"), "kept rows"),
        (TRIGGER.format("INSERT ON student_erasure"), "did not store the erasure"),
        (REFERENCE, 'foreign key constraint "note_feedback_id_fkey" on table "note"'),
        ("ALTER TABLE feedback ENABLE ROW LEVEL SECURITY", "42501"),
        ("REVOKE DELETE ON feedback FROM mentor_eraser", "42501"),
    ],
)
def test_rows_that_could_not_be_deleted_are_told(
    feedback_database: str, eraser: str, obstacle: str, reason: str
) -> None:
    student = insert(feedback_database)
    execute(feedback_database, REVISE, student=student)
    execute(feedback_database, obstacle)
    done = erase(eraser, student, "--confirm")
    assert done.code == 1
    [line] = done.lines("erasure ended early")
    assert reason in line["reason"]
    assert WORD not in done.output
    assert student not in done.output
    assert left(feedback_database) == 3
    assert execute(feedback_database, ERASURES) == []


def test_mentor_eraser_may_erase(feedback_database: str, eraser: str) -> None:
    student = insert(feedback_database)
    execute(feedback_database, REVISE, student=student)
    done = erase(eraser, student, "--confirm")
    assert done.code == 0, done.output
    assert places_of(feedback_database, student) == ["student_erasure"]


def test_the_functions_role_may_not_erase(feedback_database: str, writer: str) -> None:
    student = insert(feedback_database)
    done = erase(writer, student, "--confirm")
    assert done.code == 1
    assert "permission denied" in done.output
    assert left(feedback_database) == 3


def test_a_database_that_is_away_is_told(feedback_database: str) -> None:
    url = urlsplit(feedback_database)._replace(path="/nowhere").geturl()
    done = erase(url, str(uuid4()), "--confirm")
    assert (done.code, len(done.lines("erasure ended early"))) == (1, 1)
