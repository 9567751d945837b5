"""The example of a sink copies the events into a table, and foreign records elsewhere."""

import pytest

from tests.consumers.scenario import Run

pytestmark = [pytest.mark.consumers, pytest.mark.timeout(1800)]


def test_rows(run: Run) -> None:
    """The table has each row once, and each value is the same."""
    foreign = {one.id for one in run.foreign}
    copies = [row for row in run.sink.copies() if row["id"] not in foreign]
    assert copies == run.sink.originals()
    assert run.sink.states() == ["RUNNING", "RUNNING"]


def test_foreign_rows(run: Run) -> None:
    """A foreign record whose value fits becomes a row, unless its headers show that it is none."""
    assert run.sink.ids() == run.ids() | run.foreign_rows()


def test_types(run: Run) -> None:
    """The table shows the ce_type of each row."""
    others = {one.id for one in run.foreign if one.headers.get("ce_type") == b"another.type"}
    assert {row["id"] for row in run.sink.copies("ce_type = 'another.type'")} == others


def test_errors(run: Run) -> None:
    """The error topic has what does not fit, with the reason in a header."""
    expected = {one.value for one in run.foreign if not one.is_row and one.value is not None}
    errors = run.sink.errors()
    assert {record.value for record in errors} == expected
    for record in errors:
        assert record.header("__connect.errors.exception.message")
