"""The example of sinks deletes what an erased student left, on the real chain."""

from pathlib import Path

import pytest

from dev.sink import ERASURES, FOLDER, NAME_OF_ERASURES
from tests.consumers.sink import DATABASE, running_sink
from tests.erasure.job import erase, insert
from tests.events.stack import running_stack
from tests.operations_guide import guides_sql
from tests.waiting import wait_until

pytestmark = [pytest.mark.consumers, pytest.mark.timeout(900)]


def test_erased_student(tmp_path: Path) -> None:
    """Its rows are gone, and other students' and later ones are not."""
    with running_stack(tmp_path) as chain, running_sink(tmp_path / "sink", chain) as sink:
        assert sink.copies() == []
        sink.worker.create_connector(ERASURES)
        url = chain.postgres.url("mentor")
        student, other = insert(url), insert(url, 1)
        assert erase(url, student, "--confirm").code == 0
        insert(url, 1, student=student, at="2099-01-01 00:00Z")
        wait_until(lambda: len(sink.copies()) == 5, 300)
        exists = "SELECT to_regclass('mentor_erasure') IS NOT NULL"
        wait_until(lambda: chain.run(exists, DATABASE) == [[True]], 300)
        erased = "SELECT student_id::text FROM mentor_erasure"
        wait_until(lambda: chain.run(erased, DATABASE) == [[student]], 300)
        chain.run(guides_sql("DELETE FROM", FOLDER / "README.md"), DATABASE)
        assert [row["student_id"] for row in sink.copies()] == [
            row["student_id"] for row in sink.originals()
        ]
        assert {row["student_id"] for row in sink.copies()} == {student, other}
        assert len(sink.copies()) == 2
        assert [record.key for record in sink.errors()] == [student.encode()]
        assert sink.worker.states(NAME_OF_ERASURES) == ["RUNNING", "RUNNING"]
