"""The store, against a real PostgreSQL."""

import asyncio
import socket
import threading
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from typing import TypeVar

import pytest

from function.analysis import NEUTRAL_STRATEGY
from function.domain import Entry, Feedback, StoredEntry
from function.errors import Unavailable
from function.http.ids import new_id
from function.settings import load
from function.store import Store
from function.store.jobs import BATCH_LIMIT, RowRefused
from tests.conftest import apply_schema, open_connection
from tests.instance import FEEDBACK

T = TypeVar("T")

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
BACKENDS = """
FROM pg_stat_activity
WHERE application_name = 'mentor-function' AND datname = current_database()
"""


def entry(message: str = "This is too hard", row_id: uuid.UUID | None = None) -> Entry:
    feedback = Feedback(uuid.UUID(FEEDBACK["student_id"]), FEEDBACK["task_id"], message)
    return Entry(row_id or new_id(), feedback, NEUTRAL_STRATEGY, TRACEPARENT)


def query(url: str, sql: str) -> list[list[object]]:
    with closing(open_connection(url)) as connection:
        rows: list[list[object]] = connection.run(sql)
        return rows


@asynccontextmanager
async def opened(url: str, seconds: float = 10) -> AsyncIterator[Store]:
    store = Store(load({"DATABASE_URL": url}).postgres, seconds)
    try:
        yield store
    finally:
        await store.close()


def use(url: str, work: Callable[[Store], Awaitable[T]], seconds: float = 10) -> T:
    async def with_store() -> T:
        async with opened(url, seconds) as store:
            return await work(store)

    return asyncio.run(with_store())


async def keep(store: Store, one: Entry) -> StoredEntry:
    return (await store.insert([one], store.deadline()))[one.id]


@contextmanager
def locked_table(url: str, seconds: float) -> Iterator[None]:
    """Let no insert through for a while."""
    with closing(open_connection(url)) as connection:
        connection.run("BEGIN")
        connection.run("LOCK TABLE feedback IN EXCLUSIVE MODE")
        timer = threading.Timer(seconds, connection.run, ["COMMIT"])
        timer.start()
        yield
        timer.join()


def test_a_row_is_all_of_the_feedback_and_its_strategy(feedback_database: str) -> None:
    one = entry()
    stored = use(feedback_database, lambda store: keep(store, one))
    [row] = query(
        feedback_database,
        "SELECT id, student_id, task_id, message, perceived_difficulty, difficulty_adjustment,"
        " topic_weights, sentiment, strategy_snapshot, traceparent, concern FROM feedback",
    )
    snapshot = {"difficulty_weight": 1.0, "feedback_based": True, "sentiment": "neutral"}
    assert row == [
        one.id,
        one.feedback.student_id,
        "task-123",
        "This is too hard",
        "ok",
        0.0,
        {"general": 1.0},
        "neutral",
        snapshot,
        TRACEPARENT,
        "unassessed",
    ]
    [[created_at]] = query(
        feedback_database,
        """SELECT to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
        FROM feedback""",
    )
    assert (stored.created_at, stored.repeated) == (created_at, False)


def test_what_was_inserted_is_found_again_and_equal(feedback_database: str) -> None:
    async def insert_and_find(store: Store) -> tuple[StoredEntry, StoredEntry | None]:
        one = entry()
        return await keep(store, one), (await store.find([one.id], store.deadline())).get(one.id)

    stored, found = use(feedback_database, insert_and_find)
    assert found is not None
    assert found.repeated
    assert (found.entry, found.created_at) == (stored.entry, stored.created_at)


def test_who_is_not_there_is_not_found(feedback_database: str) -> None:
    assert use(feedback_database, lambda store: store.find([new_id()], store.deadline())) == {}


def test_64_at_once_take_far_fewer_than_64_transactions(feedback_database: str) -> None:
    async def insert_64(store: Store) -> None:
        await keep(store, entry())  # the connection is there
        await asyncio.gather(*(keep(store, entry()) for _ in range(64)))

    use(feedback_database, insert_64)
    [counts] = query(feedback_database, "SELECT count(*), count(DISTINCT xmin::text) FROM feedback")
    assert counts[0] == 65
    assert counts[1] in (2, 3)


def test_a_statement_takes_no_more_than_its_limit_of_rows(feedback_database: str) -> None:
    async def insert_300(store: Store) -> None:
        await asyncio.gather(*(keep(store, entry()) for _ in range(300)))

    use(feedback_database, insert_300)
    rows = query(feedback_database, "SELECT count(*) FROM feedback GROUP BY xmin::text")
    assert sum(int(str(count)) for [count] in rows) == 300
    assert max(int(str(count)) for [count] in rows) <= BATCH_LIMIT


def test_one_poisonous_row_among_63_good_ones_fails_alone(feedback_database: str) -> None:
    query(feedback_database, "ALTER TABLE feedback ADD CHECK (message <> 'poison')")

    async def insert_64(store: Store) -> list[StoredEntry | BaseException]:
        entries = [entry("poison" if number == 31 else "good") for number in range(64)]
        return await asyncio.gather(*(keep(store, one) for one in entries), return_exceptions=True)

    outcomes = use(feedback_database, insert_64)
    assert [number for number, it in enumerate(outcomes) if isinstance(it, RowRefused)] == [31]
    assert sum(isinstance(outcome, StoredEntry) for outcome in outcomes) == 63
    assert query(feedback_database, "SELECT count(*) FROM feedback") == [[63]]


def test_the_rows_of_a_request_are_inserted_together_or_not_at_all(feedback_database: str) -> None:
    query(feedback_database, "ALTER TABLE feedback ADD CHECK (message <> 'poison')")
    poisoned = [entry("poison" if number == 1 else "lost") for number in range(3)]

    async def insert_all(store: Store) -> list[object]:
        return await asyncio.gather(
            *(store.insert([entry("good"), entry("good")], store.deadline()) for _ in range(20)),
            store.insert(poisoned, store.deadline()),
            return_exceptions=True,
        )

    *good, refused = use(feedback_database, insert_all)
    assert isinstance(refused, RowRefused)
    assert all(isinstance(stored, dict) and len(stored) == 2 for stored in good)
    found = query(feedback_database, "SELECT message, count(*) FROM feedback GROUP BY message")
    assert found == [["good", 40]]


def test_a_request_with_more_rows_than_the_limit_is_one_transaction(feedback_database: str) -> None:
    entries = [entry() for _ in range(3 * BATCH_LIMIT)]

    async def insert_twice(store: Store) -> tuple[object, object]:
        first, second = await asyncio.gather(
            *(store.insert(entries, store.deadline()) for _ in range(2))
        )
        assert {row.repeated for row in first.values()} == {False}
        assert {row.repeated for row in second.values()} == {True}
        return first.keys(), second.keys()

    assert use(feedback_database, insert_twice) == ({it.id for it in entries},) * 2
    counts = query(feedback_database, "SELECT count(*), count(DISTINCT xmin::text) FROM feedback")
    assert counts == [[len(entries), 1]]


def test_what_is_there_already_stays_and_the_rest_of_the_request_is_inserted(
    feedback_database: str,
) -> None:
    old, new = entry("old"), entry("new")

    async def insert_again(store: Store) -> dict[uuid.UUID, StoredEntry]:
        await keep(store, old)
        changed = old.feedback._replace(message="changed")
        return await store.insert([old._replace(feedback=changed), new], store.deadline())

    stored = use(feedback_database, insert_again)
    assert (stored[old.id].entry.feedback.message, stored[old.id].repeated) == ("old", True)
    assert (stored[new.id].entry.feedback.message, stored[new.id].repeated) == ("new", False)
    assert {row.entry.traceparent for row in stored.values()} == {TRACEPARENT}


def test_no_rows_take_no_connection() -> None:
    async def nothing(store: Store) -> None:
        assert await store.insert([], store.deadline()) == {}
        assert await store.find([], store.deadline()) == {}

    use("postgresql://u@127.0.0.1:1/nothing", nothing)


def test_50_at_once_with_one_id_make_one_row_and_equal_answers(feedback_database: str) -> None:
    row_id = new_id()

    async def insert_50(store: Store) -> list[StoredEntry]:
        return await asyncio.gather(*(keep(store, entry(row_id=row_id)) for _ in range(50)))

    outcomes = use(feedback_database, insert_50)
    assert query(feedback_database, "SELECT count(*) FROM feedback") == [[1]]
    assert len({outcome.created_at for outcome in outcomes}) == 1
    assert [outcome.repeated for outcome in outcomes].count(False) == 1


def test_two_instances_that_race_for_one_id_make_one_row(feedback_database: str) -> None:
    async def race(first: Store) -> list[StoredEntry]:
        async with opened(feedback_database) as second:
            return await asyncio.gather(
                *(
                    keep(store, entry(row_id=row_id))
                    for row_id in [new_id() for _ in range(40)]
                    for store in (first, second)
                )
            )

    outcomes = use(feedback_database, race)
    assert query(feedback_database, "SELECT count(*) FROM feedback") == [[40]]
    assert [outcome.repeated for outcome in outcomes].count(False) == 40


STRANGERS = """
GRANT CREATE ON SCHEMA public TO PUBLIC;
CREATE FUNCTION public.jsonb_to_recordset(text) RETURNS SETOF record
    LANGUAGE plpgsql AS $$ BEGIN RAISE 'run'; END $$;
CREATE FUNCTION public.jsonb_array_elements_text(text) RETURNS SETOF text
    LANGUAGE plpgsql AS $$ BEGIN RAISE 'run'; END $$;
CREATE FUNCTION public.add(json, uuid, text) RETURNS json
    LANGUAGE plpgsql AS $$ BEGIN RAISE 'run'; END $$;
CREATE AGGREGATE public.json_object_agg(uuid, text) (SFUNC = public.add, STYPE = json)
"""


def test_functions_that_others_created_are_not_run(feedback_database: str) -> None:
    """Each matches a call of the store better than PostgreSQL's own function does."""
    query(feedback_database, STRANGERS)
    one = entry()

    async def keep_and_find(store: Store) -> bool:
        await keep(store, one)
        return one.id in await store.find([one.id], store.deadline())

    assert use(feedback_database, keep_and_find, seconds=5)


def test_an_instance_has_one_connection_with_limits_and_a_name(feedback_database: str) -> None:
    async def look(store: Store) -> list[list[object]]:
        await asyncio.gather(*(keep(store, entry()) for _ in range(100)))
        table = store._table
        assert table is not None
        sock: socket.socket = table.session._usock
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert not sock.getblocking()
        assert table._patience == pytest.approx(5.5)
        return query(feedback_database, f"SELECT count(*) {BACKENDS}")

    assert use(feedback_database, look) == [[1]]


def test_a_connection_that_ended_between_statements_costs_no_row(feedback_database: str) -> None:
    kill = f"SELECT pg_terminate_backend(pid) {BACKENDS}"

    async def insert_kill_insert(store: Store) -> None:
        await keep(store, entry())
        await asyncio.to_thread(query, feedback_database, kill)
        await keep(store, entry())

    use(feedback_database, insert_kill_insert)
    assert query(feedback_database, "SELECT count(*) FROM feedback") == [[2]]


def test_a_connection_that_ended_during_a_statement_costs_no_row(feedback_database: str) -> None:
    kill = f"SELECT pg_terminate_backend(pid) {BACKENDS} AND wait_event_type = 'Lock'"

    async def insert_and_kill(store: Store) -> None:
        await keep(store, entry())
        with locked_table(feedback_database, 0.5):
            inserts = asyncio.gather(*(keep(store, entry()) for _ in range(20)))
            killed: list[list[object]] = []
            while not killed:
                await asyncio.sleep(0.02)
                killed = await asyncio.to_thread(query, feedback_database, kill)
            await inserts

    use(feedback_database, insert_and_kill)
    assert query(feedback_database, "SELECT count(*) FROM feedback") == [[21]]


def test_a_lock_that_outlasts_a_statement_is_waited_for_until_the_deadline(
    feedback_database: str,
) -> None:
    async def insert(store: Store) -> StoredEntry:
        await keep(store, entry())
        with locked_table(feedback_database, 3.5):
            return await keep(store, entry())

    use(feedback_database, insert, seconds=6)  # hence a statement timeout of 3 s
    assert query(feedback_database, "SELECT count(*) FROM feedback") == [[2]]


def test_a_server_that_is_not_there_is_unavailable_at_the_deadline() -> None:
    started = time.monotonic()
    with pytest.raises(Unavailable):
        use("postgresql://u@127.0.0.1:1/nothing", lambda store: keep(store, entry()), seconds=1)
    assert 0.9 < time.monotonic() - started < 20


def test_a_schema_that_comes_late_is_waited_for(database: str) -> None:
    async def insert_and_migrate(store: Store) -> StoredEntry:
        insert = asyncio.ensure_future(keep(store, entry()))
        await asyncio.sleep(0.3)
        await asyncio.to_thread(apply_schema, database)
        return await insert

    assert not use(database, insert_and_migrate).repeated


def test_closing_finishes_what_waits(feedback_database: str) -> None:
    async def insert_and_close(store: Store) -> list[StoredEntry]:
        await keep(store, entry())
        with locked_table(feedback_database, 0.5):
            inserts = asyncio.gather(*(keep(store, entry()) for _ in range(10)))
            await asyncio.sleep(0.1)
            await store.close()
            return await inserts

    assert len(use(feedback_database, insert_and_close)) == 10


def test_too_many_that_wait_are_turned_away_at_once(
    feedback_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("function.store.WAITING_LIMIT", 5)

    async def insert_6(store: Store) -> list[StoredEntry | BaseException]:
        inserts = [keep(store, entry()) for _ in range(6)]
        return await asyncio.gather(*inserts, return_exceptions=True)

    *accepted, refused = use(feedback_database, insert_6)
    assert all(isinstance(outcome, StoredEntry) for outcome in accepted)
    assert isinstance(refused, Unavailable)


def test_probes_of_one_second_share_one_check(feedback_database: str) -> None:
    async def check(store: Store) -> int:
        answers = await asyncio.gather(*(store.is_ready() for _ in range(100)))
        first = store._check
        assert await store.is_ready()
        assert store._check is first
        return sum(answers)

    assert use(feedback_database, check) == 100


def test_a_check_fails_where_the_schema_is_missing(database: str) -> None:
    assert not use(database, lambda store: store.is_ready())
