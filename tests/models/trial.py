"""Students' messages to a function that asks a real model, and what became of them."""

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from eval import examples
from tests.conftest import open_connection, select
from tests.instance import Instance, running
from tests.llm.conftest import post
from tests.models.servers import Server

FALLBACK = "model gave no answer"  # the event in the log
# A fallback for one of these says how busy this machine is, and nothing about the answers.
SLOWNESS = {"timeout", "circuit open", "busy"}
# With a server that works, an answer is late, or the model wrote it badly.
UNUSABLE = {*SLOWNESS, "invalid answer", "truncated"}


@dataclass(frozen=True)
class Trial:
    """`usable` answers, and the reasons of the others, as the function logged them."""

    usable: int
    fallbacks: Counter[str]

    @property
    def judged(self) -> int:
        """The number of answers that came in time."""
        slow = sum(self.fallbacks[reason] for reason in SLOWNESS)
        return self.usable + self.fallbacks.total() - slow


def messages(count: int) -> Sequence[str]:
    """`count` messages of the labelled set, from all over it."""
    found = [example.message for example in examples.load().examples]
    return found[:: len(found) // count][:count]


def ask(
    server: Server, provider: str, sent: Sequence[str], database: str, log: Path, **environ: str
) -> Trial:
    """Send the messages one by one. Each must be answered, stored, and logged if it fell back."""
    tasks = [str(uuid4()) for _ in sent]
    with running(log, database, **server.environ(provider, **environ)) as function:
        function.wait_until_ready()
        usable = [_is_usable(function, *pair) for pair in zip(sent, tasks, strict=True)]
        assert function.terminate() == 0
        events = function.events()
    reasons = Counter(event["reason"] for event in events if event["event"] == FALLBACK)
    print(f"{server.name}, {provider}: {sum(usable)} of {len(sent)} usable, {dict(reasons)}")
    assert reasons.total() == usable.count(False)
    assert _stored(database, tasks) == list(sent)
    return Trial(sum(usable), reasons)


def _is_usable(function: Instance, message: str, task_id: str) -> bool:
    answer = post(function, message, task_id)
    assert answer.status == 200, answer.body
    return bool(answer.json()["strategy_snapshot"]["feedback_based"])


def _stored(database: str, tasks: Sequence[str]) -> list[str]:
    """The messages in the rows of these tasks, in the order of the tasks."""
    with closing(open_connection(database)) as connection:
        rows = select(connection, "SELECT task_id, message FROM feedback")
    found = {row["task_id"]: row["message"] for row in rows}
    return [found[task] for task in tasks]
