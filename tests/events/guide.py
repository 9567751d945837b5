"""The consumer of docs/events.md, as a process that can be killed, and what it has counted."""

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

# Its database lies in the folder that it runs in.
DATABASE = "feedbacks.db"
LOG = "consumer.log"

# What the program is given to be killed: when nothing of what it may tell Kafka has got there, or
# all of it.
DEATH = """
from contextlib import suppress

reached = []

def die():
    reached.append(True)
    if len(reached) == {nth}:
        if {told}:
            with suppress(KafkaException):  # it has nothing to tell yet
                consumer.commit(asynchronous=False)
        os.kill(os.getpid(), 9)

"""


def program(group: str) -> str:
    """The guide's consumer, in a group of this name.

    As a static member of it: Kafka would let one that was killed and started again wait until the
    dead one's session has expired, for 45 seconds.
    """
    (code,) = (code for code in code_blocks("python") if "import Consumer" in code)
    its_own = '"group.id": "count-feedbacks",'
    assert its_own in code
    return code.replace(its_own, f'"group.id": "{group}", "group.instance.id": "1",')


def dying(code: str, nth: int, *, told: bool) -> Iterator[tuple[str, str]]:
    """For each statement of the loop: it, and the program that is killed when it gets there.

    The statement is reached for the `nth` time then, and has not been done. `told` says whether
    Kafka knows by then what the program would tell it in the background.
    """
    lines = code.splitlines()
    (loop,) = (node for node in ast.parse(code).body if isinstance(node, ast.While))
    for node in ast.walk(loop):
        # Nothing may be wrong, and it may have no time to wait.
        if not isinstance(node, ast.stmt) or isinstance(node, ast.While | ast.Raise | ast.Continue):
            continue
        before, after = lines[: node.lineno - 1], lines[node.lineno - 1 :]
        death = " " * node.col_offset + "die()"
        function = DEATH.format(nth=nth, told=told)
        yield after[0].strip(), "\n".join([function, *before, death, *after])


@contextmanager
def running(code: str, folder: Path, bootstrap: str) -> "Iterator[subprocess.Popen[bytes]]":
    """The program, killed at the end of the block."""
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
    """How many feedbacks of each of these students it has counted."""
    with closing(sqlite3.connect(folder / DATABASE)) as database:
        numbers = dict(database.execute("SELECT student_id, number FROM feedbacks"))
    return Counter({student: numbers.get(student, 0) for student in students})


def log(folder: Path) -> str:
    """What it wrote to its terminal, in all its runs."""
    return (folder / LOG).read_text(encoding="utf-8")
