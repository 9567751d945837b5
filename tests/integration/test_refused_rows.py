"""What PostgreSQL refuses, with whatever SQLSTATE, harms no neighbor, and no one waits for it."""

import asyncio
from collections.abc import Sequence
from contextlib import closing
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import pytest

from function.domain import Entry, Stored, StoredEntry
from function.errors import Unavailable
from function.store import Store
from function.store.jobs import RowRefused
from function.store.table import FeedbackTable
from tests.conftest import apply_schema, open_connection
from tests.integration.test_store import entry, keep, query, use

TRIGGER = """
CREATE FUNCTION interfere() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.message = 'poison' THEN {} END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER interfere BEFORE INSERT ON feedback FOR EACH ROW EXECUTE FUNCTION interfere();
"""


def raises(sqlstate: str) -> str:
    return TRIGGER.format(f"RAISE 'no' USING ERRCODE = '{sqlstate}';")


async def keep_20(store: Store) -> list[StoredEntry | BaseException]:
    """The eighth of them is poison."""
    await keep(store, entry())
    entries = [entry("poison" if number == 7 else "good") for number in range(20)]
    return await asyncio.gather(*(keep(store, one) for one in entries), return_exceptions=True)


@pytest.mark.parametrize("sqlstate", ["MT001", "42501", "42P01", "02000", "26000", "P0001"])
def test_a_row_that_is_refused_fails_alone_and_at_once(
    feedback_database: str, sqlstate: str
) -> None:
    query(feedback_database, raises(sqlstate))

    outcomes = use(feedback_database, keep_20, seconds=120)

    assert isinstance(outcomes[7], RowRefused)
    assert sqlstate in str(outcomes[7])
    assert sum(isinstance(outcome, StoredEntry) for outcome in outcomes) == 19
    assert query(feedback_database, "SELECT count(*) FROM feedback") == [[20]]


@pytest.mark.parametrize(
    "sqlstate", ["53100", "40001", "57014", "XX000", "25006", "57P01", "08006"]
)
def test_a_row_that_looks_like_an_outage_is_waited_for_alone(
    feedback_database: str, sqlstate: str
) -> None:
    query(feedback_database, raises(sqlstate))

    outcomes = use(feedback_database, keep_20, seconds=3)

    assert isinstance(outcomes[7], Unavailable)
    assert sum(isinstance(outcome, StoredEntry) for outcome in outcomes) == 19


@pytest.mark.parametrize("sqlstate", ["53100", "57P01", "08006"])
def test_a_row_that_looks_like_an_outage_leaves_the_connection_alone(
    feedback_database: str, sqlstate: str
) -> None:
    """Its first failure ends the connection, which may be the cause; the others do not."""
    raising = f"{COUNT_SESSION} RAISE 'no' USING ERRCODE = '{sqlstate}';"
    query(feedback_database, "CREATE SEQUENCE sessions;" + TRIGGER.format(raising))

    outcome = use(feedback_database, lambda store: keep_one(store, "poison"), seconds=3)

    assert isinstance(outcome, Unavailable)
    assert query(feedback_database, "SELECT last_value <= 2 FROM sessions") == [[True]]


# Each session knows whether it has used the sequence, and no rollback changes that.
COUNT_SESSION = """
BEGIN PERFORM currval('sessions');
EXCEPTION WHEN object_not_in_prerequisite_state THEN PERFORM nextval('sessions'); END;
"""


async def keep_one(store: Store, message: str) -> StoredEntry | BaseException:
    [outcome] = await asyncio.gather(keep(store, entry(message)), return_exceptions=True)
    return outcome


@pytest.mark.parametrize("sqlstate", ["57P01", "08006"])
def test_a_row_that_sounds_like_a_lost_connection_is_suspected_at_once(
    feedback_database: str, sqlstate: str
) -> None:
    """The batch is not repeated as if the connection were the cause."""
    count = "CREATE SEQUENCE tries;" + TRIGGER
    poison = f"RAISE 'no' USING ERRCODE = '{sqlstate}'; ELSE PERFORM nextval('tries');"
    query(feedback_database, count.format(poison))

    async def keep_2(store: Store) -> None:
        both = entry("good", UUID(int=1)), entry("poison", UUID(int=2))  # in this order
        tasks = [asyncio.create_task(keep(store, one)) for one in both]
        await tasks[0]
        tasks[1].cancel()

    use(feedback_database, keep_2, seconds=20)
    [[tries]] = query(feedback_database, "SELECT last_value FROM tries")
    assert tries == 2


def test_a_policy_that_refuses_one_row_refuses_no_other(feedback_database: str) -> None:
    with closing(open_connection(feedback_database)) as connection:
        connection.run("CREATE ROLE refused LOGIN IN ROLE mentor_writer")
        connection.run("ALTER TABLE feedback ENABLE ROW LEVEL SECURITY")
        connection.run("CREATE POLICY seen ON feedback FOR SELECT USING (true)")
        connection.run("CREATE POLICY kept ON feedback FOR INSERT WITH CHECK (message <> 'poison')")
        try:
            outcomes = use(as_role(feedback_database, "refused"), keep_20, seconds=120)
        finally:
            connection.run("DROP OWNED BY refused; DROP ROLE refused")
    assert isinstance(outcomes[7], RowRefused)
    assert sum(isinstance(outcome, StoredEntry) for outcome in outcomes) == 19


def as_role(url: str, role: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{role}@{parts.netloc.rpartition('@')[2]}"))


NOTHING = TRIGGER.format("RETURN NULL;")


def test_a_row_that_a_trigger_swallows_is_looked_for_once_more_and_fails(
    feedback_database: str,
) -> None:
    query(feedback_database, NOTHING)
    query(feedback_database, "SELECT pg_stat_reset()")

    outcomes = use(feedback_database, keep_20, seconds=120)

    assert isinstance(outcomes[7], RowRefused)
    assert sum(isinstance(outcome, StoredEntry) for outcome in outcomes) == 19
    sql = "SELECT xact_commit < 50 FROM pg_stat_database WHERE datname = current_database()"
    assert query(feedback_database, sql) == [[True]]


def test_a_missing_table_is_an_outage_and_not_the_fault_of_a_row(database: str) -> None:
    async def late(store: Store) -> list[StoredEntry]:
        inserts = asyncio.gather(*(keep(store, entry()) for _ in range(20)))
        await asyncio.sleep(0.5)
        await asyncio.to_thread(apply_schema, database)
        return await inserts

    assert len(use(database, late)) == 20


@pytest.mark.parametrize(
    ("change", "undo"),
    [
        ("ALTER TABLE feedback RENAME TO old", "ALTER TABLE old RENAME TO feedback"),
        (
            "ALTER TABLE feedback RENAME COLUMN sentiment TO mood",
            "ALTER TABLE feedback RENAME COLUMN mood TO sentiment",
        ),
        (
            "ALTER TABLE feedback DROP COLUMN concern",
            "ALTER TABLE feedback ADD COLUMN concern TEXT NOT NULL DEFAULT 'unassessed'",
        ),
    ],
)
def test_a_table_that_changes_under_an_open_connection_is_waited_for(
    feedback_database: str, change: str, undo: str
) -> None:
    async def change_and_undo(store: Store) -> list[StoredEntry]:
        await keep(store, entry())
        await asyncio.to_thread(query, feedback_database, change)
        assert not await store.is_ready()
        inserts = asyncio.gather(*(keep(store, entry()) for _ in range(20)))
        await asyncio.sleep(0.5)
        await asyncio.to_thread(query, feedback_database, undo)
        return await inserts

    assert len(use(feedback_database, change_and_undo)) == 20


@pytest.mark.parametrize("change", ["strategy_snapshot = '{}'", "perceived_difficulty = 'medium'"])
def test_a_row_that_somebody_changed_ends_no_connection(
    feedback_database: str, change: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A repeat of its request fails alone, and is no outage."""
    query(feedback_database, "ALTER TYPE difficulty_level ADD VALUE 'medium'")

    async def repeat(store: Store) -> None:
        both = entry(), entry()
        await store.insert(both, store.deadline())
        update = f"UPDATE feedback SET {change} WHERE id = '{both[0].id}'"
        await asyncio.to_thread(query, feedback_database, update)
        session = store._table
        outcomes = await asyncio.gather(*(keep(store, it) for it in both), return_exceptions=True)
        assert [isinstance(one, StoredEntry) for one in outcomes] == [False, True]
        assert store._table is session
        assert await store.is_ready()

    use(feedback_database, repeat)
    assert caplog.records == []


def test_a_repeat_is_answered_after_a_column_got_another_type(feedback_database: str) -> None:
    async def repeat(store: Store) -> StoredEntry:
        one = entry()
        await keep(store, one)
        change = "ALTER TABLE feedback ALTER COLUMN message TYPE varchar(5000)"
        await asyncio.to_thread(query, feedback_database, change)
        return await keep(store, one._replace(traceparent="another request"))

    assert use(feedback_database, repeat).repeated


def test_without_the_right_to_insert_nothing_is_refused_and_nobody_is_ready(
    feedback_database: str,
) -> None:
    async def insert(store: Store) -> tuple[BaseException, bool]:
        [outcome] = await asyncio.gather(keep(store, entry()), return_exceptions=True)
        assert isinstance(outcome, BaseException)
        return outcome, await store.is_ready()

    with closing(open_connection(feedback_database)) as connection:
        connection.run("CREATE ROLE reader LOGIN; GRANT SELECT ON feedback TO reader")
        try:
            outcome, ready = use(as_role(feedback_database, "reader"), insert, seconds=1)
        finally:
            connection.run("DROP OWNED BY reader; DROP ROLE reader")
    assert isinstance(outcome, Unavailable)
    assert not ready


REFUSE_ALL = TRIGGER.format("END IF; IF true THEN RAISE 'no';")
PARTITIONED = """
DROP TABLE feedback CASCADE;
CREATE TABLE feedback (id UUID PRIMARY KEY, student_id UUID, task_id TEXT, message TEXT,
    perceived_difficulty difficulty_level, difficulty_adjustment DOUBLE PRECISION,
    topic_weights JSONB, sentiment TEXT, strategy_snapshot JSONB, traceparent TEXT, concern TEXT,
    created_at TIMESTAMPTZ DEFAULT now()) PARTITION BY RANGE (id)
"""


@pytest.mark.parametrize(
    "trouble", [PARTITIONED, TRIGGER.format("END IF; IF true THEN RAISE 'no';")]
)
def test_who_refuses_every_row_is_not_ready(feedback_database: str, trouble: str) -> None:
    query(feedback_database, trouble)

    async def insert(store: Store) -> list[bool]:
        ready = []
        for _ in range(4):
            store._checked = 0.0  # a second later
            ready.append(await store.is_ready())
            with pytest.raises(RowRefused):
                await keep(store, entry())
        return ready

    # A statement without a row can't see it, and one row may be to blame itself.
    assert use(feedback_database, insert, seconds=120) == [True, True, True, False]


def test_many_rows_that_look_like_an_outage_cost_good_ones_nothing(feedback_database: str) -> None:
    """Each waits by itself: the connection stays, and nobody pauses for them."""
    query(feedback_database, raises("XX000"))

    async def keep_40(store: Store) -> list[StoredEntry | BaseException]:
        await keep(store, entry())
        entries = [entry("poison") for _ in range(20)] + [entry("good") for _ in range(20)]
        return await asyncio.gather(*(keep(store, one) for one in entries), return_exceptions=True)

    outcomes = use(feedback_database, keep_40, seconds=10)

    assert all(isinstance(outcome, Unavailable) for outcome in outcomes[:20])
    assert all(isinstance(outcome, StoredEntry) for outcome in outcomes[20:])


def test_where_many_rows_are_refused_no_part_of_a_batch_is_tried(
    feedback_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nearly all parts would fail, and a store that is busy would be slower than one by one."""
    query(feedback_database, raises("23514"))
    sizes: list[int] = []
    insert = FeedbackTable.insert

    async def count(table: FeedbackTable, entries: Sequence[Entry]) -> tuple[Stored, bool]:
        sizes.append(len(entries))
        return await insert(table, entries)

    monkeypatch.setattr(FeedbackTable, "insert", count)

    async def keep_128_twice(store: Store) -> None:
        await keep(store, entry())
        for _ in range(2):
            sizes.clear()
            entries = [entry("poison" if number % 2 else "good") for number in range(128)]
            await asyncio.gather(*(keep(store, one) for one in entries), return_exceptions=True)

    use(feedback_database, keep_128_twice, seconds=120)
    assert sorted(sizes) == [0] * 64 + [1] * 128 + [128]  # none: to see whether the table is there


def test_a_trigger_that_changes_the_id_doubles_no_row(feedback_database: str) -> None:
    query(feedback_database, TRIGGER.format("NEW.id := gen_random_uuid();"))

    outcomes = use(feedback_database, keep_20, seconds=120)

    assert isinstance(outcomes[7], RowRefused)
    assert sum(isinstance(outcome, StoredEntry) for outcome in outcomes) == 19
    assert query(feedback_database, "SELECT count(*) FROM feedback") == [[21]]


def test_one_refused_row_beside_a_probe_takes_no_instance_out(feedback_database: str) -> None:
    query(feedback_database, raises("MT001"))

    async def probe(store: Store) -> bool:
        await keep(store, entry())
        refused = asyncio.create_task(keep(store, entry("poison")))
        ready = await store.is_ready()
        with pytest.raises(RowRefused):
            await refused
        return ready

    assert use(feedback_database, probe, seconds=120)
