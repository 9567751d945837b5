"""`python -m function.erase`: delete what a student said, and publish `mentor.student.erased`.

Each transaction deletes some feedback and adds it to `feedback_count`. The last one of a student
also inserts a row of student_erasure, which Debezium publishes. So a run may end at any time, and
the next one continues.
"""

import argparse
import logging
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from uuid import UUID

from function import logs
from function.llm.prompt import taxonomy
from function.process import exit_at
from function.settings import load_or_exit
from function.store import erasure
from function.store.connection import connect
from function.store.driver import Connection

STATEMENT_TIMEOUT = 60.0  # seconds
REMAINS = (
    "on the Kafka topic until its retention ends: 8 days and 6 minutes with our settings",
    "in consumers' stores until they have handled the event",
    "in dead-letter topics, and in clients that may still send it again",
    "in PostgreSQL's data files until VACUUM, and in its log, its archive and backups",
    "in the numbers of the insights until the roll-up, and in reports that quote messages",
    "at the model's provider, as its contract says",
)

log = logging.getLogger("function.erase")


def main() -> int:
    """Return the exit code: 0, or 1 when the run ended before all students were erased."""
    exit_at(signal.SIGTERM, signal.SIGINT)
    options = _options()
    settings = load_or_exit(os.environ)
    logs.configure(settings.log_level, settings.log_format)
    work = _erase_all if options.confirm else _count_all
    try:
        with closing(connect(settings.postgres, STATEMENT_TIMEOUT)) as connection:
            work(connection, options.students)
    except erasure.ERRORS as exc:
        log.error("erasure ended early", extra={"reason": erasure.explain(exc)})
        return 1
    return 0


def _count_all(connection: Connection, students: Iterable[UUID]) -> None:
    """The lines name the number of the student in the list: no id reaches the log."""
    for number, student in enumerate(students, 1):
        feedback, revisions = erasure.count(connection, student)
        counts = {"student": number, "feedback": feedback, "revisions": revisions}
        log.info("student would be erased", extra=counts)
    log.info("nothing was erased", extra={"hint": "--confirm erases"})


def _erase_all(connection: Connection, students: Iterable[UUID]) -> None:
    for number, student in enumerate(students, 1):
        counts = Counter(feedback=0, revisions=0)
        for deleted in erasure.erase(connection, student, taxonomy()):
            counts.update(feedback=deleted.feedback, revisions=deleted.revisions)
        log.info("student erased", extra={"student": number, **counts})
    for place in REMAINS:
        log.info("a copy may remain", extra={"where": place})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m function.erase", allow_abbrev=False)
    parser.add_argument("student_id", nargs="?", type=_student, help="a UUID")
    parser.add_argument("--file", type=_students, help="UUIDs, one a line; - is stdin")
    parser.add_argument("--confirm", action="store_true", help="erase; otherwise only count")
    options, rest = parser.parse_known_args()  # the error of parse_args would tell the rest: ids
    if rest:
        parser.error("too many or unknown arguments: several students need a --file")
    if (options.student_id is None) == (options.file is None):
        parser.error("name one student, or a --file of students")
    options.students = options.file or [options.student_id]
    return options


def _students(name: str) -> list[UUID]:
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        raise argparse.ArgumentTypeError(f"can't be read: {exc}") from None
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    students = [_student(line, f"line {number}: ") for number, line in lines if line]
    if not students:
        raise argparse.ArgumentTypeError("names no student")
    return list(dict.fromkeys(students))


def _student(text: str, place: str = "") -> UUID:
    try:
        student = UUID(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{place}must be a UUID") from None
    if not student.int:
        raise argparse.ArgumentTypeError(f"{place}must not be the nil UUID")
    return student


if __name__ == "__main__":
    sys.exit(main())
