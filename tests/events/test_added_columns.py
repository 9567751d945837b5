"""A column of each type that docs/events.md allows arrives as the document says."""

import json
import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from dev.kafka.prepare import TOPIC
from tests.events.contract import GUIDE, code_blocks
from tests.events.stack import Stack, running_stack
from tests.events.topic import Record, read

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]

(WAY_BACK,) = (sql for sql in code_blocks("sql") if "pg_drop_replication_slot" in sql)
MISSING = "missing"
SECTION = re.compile(r"^### Columns that may be added\n(.*?)^## ", re.MULTILINE | re.DOTALL)
# A row of the guide's tables: types, a value, and that value in the event.
ROW = re.compile(r"^\| (`[^|]+) \| `([^|]+)` \| (?:`([^|]+)`|missing) \|", re.MULTILINE)

Column = tuple[str, str, str]  # type, value, and the value in the event as JSON


def columns() -> list[Column]:
    """Return the columns of the guide's tables, both those that it allows and those it does not."""
    text = GUIDE.read_text(encoding="utf-8")
    (section,) = SECTION.findall(text)
    return [
        (kind, value, json_text or MISSING)
        for kinds, value, json_text in ROW.findall(section)
        for kind in re.findall(r"`([^`]+)`", kinds)
    ]


COLUMNS = columns()
NAMES = [f"column_{number}" for number in range(len(COLUMNS))]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("columns")) as stack:
        stack.run("CREATE TYPE a_row_type AS (number int, text text)")
        stack.run("ALTER TABLE feedback ADD COLUMN made int GENERATED ALWAYS AS (7) STORED")
        for name, (kind, value, _) in zip(NAMES, COLUMNS, strict=True):
            stack.run(f"ALTER TABLE feedback ADD COLUMN {name} {kind} DEFAULT '{value}'")
        yield stack


@pytest.fixture(scope="module")
def events(stack: Stack) -> list[Record]:
    """Return the record of a row, and the record of the same row from a snapshot."""
    student = insert(stack, "DEFAULT")
    wait_for(stack, student, 1)
    stack.run(WAY_BACK)
    return wait_for(stack, student, 2)


def test_the_guide_has_columns() -> None:
    assert len(COLUMNS) > 25


@pytest.mark.parametrize("number", range(len(COLUMNS)), ids=[kind for kind, _, _ in COLUMNS])
def test_type(events: list[Record], number: int) -> None:
    """A value arrives as the guide says, both as it is written and in a snapshot."""
    expected = COLUMNS[number][2]
    for event in events:
        assert field(event, NAMES[number]) == expected


def test_generated_column(events: list[Record]) -> None:
    """A generated column is in a snapshot only."""
    assert [field(event, "made") for event in events] == [MISSING, "7"]


def test_null(stack: Stack) -> None:
    """NULL arrives as null where the column has a default."""
    (event,) = wait_for(stack, insert(stack, "NULL"), 1)
    assert {field(event, name) for name in NAMES} <= {"null", MISSING}


def insert(stack: Stack, value: str) -> str:
    """Insert a row with this value in all added columns; return its student."""
    student = str(uuid.uuid4())
    values = ", ".join([value] * len(NAMES))
    stack.run(
        f"INSERT INTO feedback (student_id, perceived_difficulty, strategy_snapshot,"
        f" {', '.join(NAMES)}) VALUES ('{student}', 'ok', '{{}}', {values})"
    )
    return student


def wait_for(stack: Stack, student: str, count: int) -> list[Record]:
    def of_student(records: list[Record]) -> list[Record]:
        return [record for record in records if record.student == student]

    return of_student(
        read(stack.kafka.bootstrap, TOPIC, lambda found: len(of_student(found)) >= count)
    )


def field(event: Record, name: str) -> str:
    row: dict[str, Any] = event.row()
    return json.dumps(row[name]) if name in row else MISSING
