"""Runs the consumer of docs/events.md as a process that can be killed, and reads its counts."""

import ast
import os
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.events.contract import code_blocks

# Its database is in its working directory.
DATABASE = "feedbacks.db"
LOG = "consumer.log"

# Kills the program, before or after Kafka has got the offsets that the program has stored.
DEATH = """
from contextlib import suppress

reached = []

def die():
    reached.append(True)
    if len(reached) == {nth}:
        if {told}:
            with suppress(KafkaException):  # there is nothing to commit yet
                consumer.commit(asynchronous=False)
        os.kill(os.getpid(), 9)

"""


NOT_REACHED = ast.FunctionDef | ast.While | ast.Raise | ast.Continue


def program(topic: str, group: str) -> str:
    """Return the guide's consumer, for this topic and in a group of this name."""
    (code,) = (code for code in code_blocks("python") if "import Consumer" in code)
    for its_own, own in (('"mentor.feedback"', topic), ('"count-feedbacks"', group)):
        assert code.count(its_own) == 1
        code = code.replace(its_own, f'"{own}"')
    return code


def static(code: str) -> str:
    """Return the program as a static member of its group.

    Otherwise a restarted consumer would wait for 45 seconds until the session of the killed one
    has expired.
    """
    return code.replace('"group.id":', '"group.instance.id": "1", "group.id":')


def dying(code: str, nth: int, *, told: bool) -> Iterator[tuple[str, str]]:
    """Yield each statement that handles a record, and the program that is killed before it.

    The program is killed when it reaches the statement for the `nth` time. `told` says whether its
    offsets, which it commits in the background, are committed before.
    """
    lines = code.splitlines()
    for node in _statements(ast.parse(code)):
        before, after = lines[: node.lineno - 1], lines[node.lineno - 1 :]
        death = " " * node.col_offset + "die()"
        function = DEATH.format(nth=nth, told=told)
        yield after[0].strip(), "\n".join([function, *before, death, *after])


def _statements(code: ast.Module) -> Iterator[ast.stmt]:
    """Yield the statements of `handle` and of the loop, except those that may not be reached."""
    (handle,) = (node for node in code.body if getattr(node, "name", "") == "handle")
    (loop,) = (node for node in ast.walk(code) if isinstance(node, ast.While))
    for node in (*ast.walk(handle), *ast.walk(loop)):
        if isinstance(node, ast.stmt) and not isinstance(node, NOT_REACHED):
            yield node


@contextmanager
def running(code: str, folder: Path, bootstrap: str) -> "Iterator[subprocess.Popen[bytes]]":
    """Run the program, and kill it at the end of the block."""
    with (folder / LOG).open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=folder,
            env={**os.environ, "KAFKA_BOOTSTRAP_SERVERS": bootstrap},
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def counted(folder: Path, students: Iterable[str]) -> Counter[str]:
    """Return how many feedbacks of each student it has counted."""
    with closing(sqlite3.connect(folder / DATABASE)) as database:
        numbers = dict(database.execute("SELECT student_id, number FROM feedbacks"))
    return Counter({student: numbers.get(student, 0) for student in students})


def log(folder: Path) -> str:
    """Return its output in all its runs."""
    return (folder / LOG).read_text(encoding="utf-8")
