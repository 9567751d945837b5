"""docs/events.md is correct for real records."""

import threading
import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from dev.kafka.prepare import TOPIC
from tests.conftest import open_connection
from tests.events import guide
from tests.events.chain import Chain
from tests.events.contract import code_blocks, problems
from tests.events.group import lag, new_group
from tests.events.topic import Record, read
from tests.waiting import wait_until

PATIENCE = 90  # seconds

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]


def test_contract(chain: Chain) -> None:
    """Every record matches the published schemas."""
    sent = post(chain, students(2), each=2)
    original = chain.before["student_id"]
    records = records_of(chain, sent + Counter([original]))
    assert breaches(of_students([original, *sent], records)) == []


def test_added_column(chain: Chain, tmp_path: Path) -> None:
    """A column can be added while the chain and a consumer run."""
    bootstrap = chain.kafka.bootstrap
    group = new_group(bootstrap, TOPIC)
    sent: Counter[str] = Counter()
    enough = threading.Event()
    some = students(5)

    def keep_posting() -> None:
        while not enough.is_set():
            sent.update(post(chain, some, each=1))

    poster = threading.Thread(target=keep_posting)
    with guide.running(guide.program(TOPIC, group), tmp_path, bootstrap) as consumer:
        poster.start()
        try:
            wait_until(lambda: sent.total() >= 50, PATIENCE)
            chain.run("ALTER TABLE feedback ADD COLUMN classroom TEXT")
            added = sent.total()
            wait_until(lambda: sent.total() >= added + 50, PATIENCE)
        finally:
            enough.set()
            poster.join()
            chain.run(
                "ALTER TABLE feedback DROP COLUMN classroom"
            )  # the next test uses the same chain
        records = of_students(sent, records_of(chain, sent))
        wait_until(lambda: lag(bootstrap, TOPIC, group) == 0, PATIENCE)
        assert consumer.poll() is None, guide.log(tmp_path)

    assert guide.counted(tmp_path, sent) == sent
    assert Counter(record.student for record in records) == sent
    assert breaches(records) == []
    for student in some:
        has_it = ["classroom" in record.row() for record in of_students([student], records)]
        assert has_it == sorted(has_it)
        assert {*has_it} == {False, True}


def test_slot_query(chain: Chain) -> None:
    """The guide's query shows that Debezium keeps up with the slot."""
    records_of(chain, post(chain, students(1), each=1))
    look = next(sql for sql in code_blocks("sql") if "wal_status" in sql)
    with closing(open_connection(chain.database)) as connection:
        ((name, active, status, behind, kept, _),) = connection.run(look)
    assert (name, active, status) == ("mentor_feedback", True, "reserved")
    assert 0 <= behind <= kept


def students(number: int) -> list[str]:
    return [str(uuid.uuid4()) for _ in range(number)]


def post(chain: Chain, some: Sequence[str], each: int) -> Counter[str]:
    """Post feedback of these students in turns; return how many of each were acknowledged."""
    for student in [*some] * each:
        chain.post(student, "This is too hard")
    return Counter(dict.fromkeys(some, each))


def records_of(chain: Chain, sent: Counter[str]) -> list[Record]:
    """Wait for the records of all sent feedback; return all records of the topic."""

    def all_there(records: list[Record]) -> bool:
        return Counter(record.student for record in records) >= sent

    return read(chain.kafka.bootstrap, TOPIC, all_there)


def of_students(some: Iterable[str], records: Iterable[Record]) -> list[Record]:
    return [record for record in records if record.student in some]


def breaches(records: Iterable[Record]) -> list[str]:
    """Return how records differ from the contract."""
    found: list[str] = []
    for record in records:
        headers = {name: (value or b"").decode() for name, value in record.headers}
        assert len(headers) == len(record.headers)
        found += problems(record.student, headers, record.row())
    return found
