"""A new cluster of a newer PostgreSQL: no row and no event is lost."""

import subprocess
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from dev import paths
from dev.initdb import INITDB, LOCALE
from dev.kafka import DebeziumServer, Kafka
from dev.kafka.prepare import TOPIC, create_role, create_topics, variables
from dev.postgres import EmbeddedPostgres
from tests.conftest import apply_schema, open_connection
from tests.events.topic import Record, read
from tests.instance import FEEDBACK, running
from tests.operations_guide import guides_block

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]

OLD = sorted(Path("/usr/lib/postgresql").glob("1[4-7]/bin"))
COPY = guides_block("sh", "pg_dumpall")


@contextmanager
def old_server() -> Iterator[EmbeddedPostgres]:
    """Debian's PostgreSQL, which does not know all options of initdb."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "postgres_programs", lambda: OLD[-1])
        patch.setattr("dev.initdb.INITDB", [it for it in INITDB if it not in LOCALE])
        with EmbeddedPostgres.temporary() as server:
            patch.undo()
            yield server


def post(url: str, folder: Path, student: str, messages: list[str]) -> None:
    with running(folder / "function.log", url) as function:
        function.wait_until_ready()
        for message in messages:
            answer = function.post({**FEEDBACK, "student_id": student, "message": message}, {})
            assert answer.status == 200


def records(kafka: Kafka, student: str, count: int) -> list[str]:
    def of_student(found: list[Record]) -> list[str]:
        return [record.row()["message"] for record in found if record.student == student]

    return of_student(read(kafka.bootstrap, TOPIC, lambda found: len(of_student(found)) >= count))


@pytest.mark.skipif(not OLD, reason="Debian's postgresql is not installed, or is not older")
def test_dump_and_restore(tmp_path: Path) -> None:
    """The offsets name places in the old log; Debezium notices, and reads the whole table."""
    student = str(uuid.uuid4())
    with old_server() as old, EmbeddedPostgres.temporary() as new, Kafka(tmp_path / "k") as kafka:
        create_topics(kafka)
        before = old.create_database("mentor")
        apply_schema(before)
        create_role(old)
        with DebeziumServer(tmp_path / "old", variables(old, "mentor", kafka)):
            post(before, tmp_path, student, ["1", "2"])
            assert records(kafka, student, 2) == ["1", "2"]
        post(before, tmp_path, student, ["3"])  # an event that Debezium has not seen
        copy(old, new)
        after = new.create_database("mentor")
        apply_schema(after)
        with DebeziumServer(tmp_path / "new", variables(new, "mentor", kafka)):
            post(after, tmp_path, student, ["4"])
            assert records(kafka, student, 6) == ["1", "2", "1", "2", "3", "4"]
        with closing(open_connection(after)) as connection:
            assert connection.run("SELECT count(*) FROM feedback") == [[4]]


def copy(old: EmbeddedPostgres, new: EmbeddedPostgres) -> None:
    """Run the documented commands."""
    programs = paths.postgres_programs()
    environ = {"PATH": f"{programs}:/usr/bin:/bin", "OLD": old.url()[:-9], "NEW": new.url()[:-9]}
    subprocess.run(["bash", "-euo", "pipefail", "-c", COPY], env=environ, check=True)
