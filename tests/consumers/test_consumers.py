"""Each event is handled once by ce_id, in the order of its student, whoever was killed."""

from collections.abc import Iterable

import pytest

from tests.consumers.programs import BUILDS
from tests.consumers.scenario import Run, event_id

pytestmark = [pytest.mark.consumers, pytest.mark.timeout(1800)]


def in_order(run: Run, ids: Iterable[str]) -> dict[str, list[str]]:
    """Return the ids of each student, without repeats; others are under the name ``."""
    students = {row: student for student, rows in run.rows.items() for row in rows}
    found: dict[str, list[str]] = {}
    for one in dict.fromkeys(ids):
        found.setdefault(students.get(one, ""), []).append(one)
    return found


def test_topic(run: Run) -> None:
    """The topic has each row, in the order of its student, and the foreign records."""
    foreign = {one.id for one in run.foreign}
    ids = [one for one in map(event_id, run.records) if one and one not in foreign]
    assert in_order(run, ids) == run.rows
    assert len(run.records) >= len(run.ids()) + len(run.foreign)


@pytest.mark.parametrize("language", BUILDS)
def test_program(run: Run, language: str) -> None:
    """The documented program handles each event, and skips foreign records."""
    group = run.groups[language]
    assert in_order(run, group.handled()) == run.rows, group.log[-3000:]
    assert len(group.skipped) == len(run.foreign)
