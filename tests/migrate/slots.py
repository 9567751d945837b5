"""Slots that may have skipped rows, and what the job says of them."""

import re

from tests.migrate.job import ORIGINAL_INSERT, Run, run


def create_slot(database: str, name: str) -> None:
    run(database, f"SELECT pg_create_logical_replication_slot('{name}', 'pgoutput')")


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
