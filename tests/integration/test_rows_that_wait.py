"""A row that PostgreSQL keeps waiting costs its neighbors a delay, but no answer."""

import asyncio
from contextlib import closing

import pytest

from function.domain import StoredEntry
from function.errors import Unavailable
from function.store import Store
from tests.conftest import open_connection
from tests.integration.test_refused_rows import TRIGGER
from tests.integration.test_store import entry, keep, locked_table, query, use

SLEEPS = TRIGGER.format("PERFORM pg_sleep(60);")
SECONDS = 10


async def keep_all(store: Store, messages: list[str]) -> list[StoredEntry | BaseException]:
    await keep(store, entry())
    return await asyncio.gather(
        *(keep(store, entry(message)) for message in messages), return_exceptions=True
    )


@pytest.mark.parametrize("poison", [1, 5])
def test_a_row_whose_trigger_sleeps(feedback_database: str, poison: int) -> None:
    """Its neighbors are stored within half of the timeout."""
    query(feedback_database, SLEEPS)

    async def run(store: Store) -> list[StoredEntry | BaseException]:
        tasks = asyncio.create_task(keep_all(store, ["poison"] * poison + ["good"] * 20))
        await asyncio.sleep(SECONDS / 2)
        assert await asyncio.to_thread(query, feedback_database, COUNT) == [[21]]
        return await tasks

    outcomes = use(feedback_database, run, SECONDS)
    assert all(isinstance(outcome, Unavailable) for outcome in outcomes[:poison])
    assert all(isinstance(outcome, StoredEntry) for outcome in outcomes[poison:])


COUNT = "SELECT count(*) FROM feedback"
SLOW = """
CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_sleep(0.7); RETURN NULL; END $$;
CREATE TRIGGER slow BEFORE INSERT ON feedback EXECUTE FUNCTION slow();
"""


def test_a_server_that_is_slow_with_every_statement(feedback_database: str) -> None:
    """Its rows still share statements: alone they would take 70 seconds."""
    query(feedback_database, SLOW)

    outcomes = use(feedback_database, lambda store: keep_all(store, ["good"] * 100), SECONDS)
    assert all(isinstance(outcome, StoredEntry) for outcome in outcomes)


@pytest.fixture
def slower_database(feedback_database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Its statements take two thirds of the time that a check has."""
    monkeypatch.setattr("function.store.CHECK_TIMEOUT", 6.0)
    query(feedback_database, SLOW.replace("0.7", "4"))
    return feedback_database


def test_an_instance_that_starts_before_a_slow_server_gets_ready(slower_database: str) -> None:
    assert use(slower_database, lambda store: store.is_ready(), 40)


def test_a_probe_that_waits_behind_rows_that_are_stored(slower_database: str) -> None:
    """The instance is ready: it stores rows."""

    async def probe(store: Store) -> list[bool]:
        ready = [await store.is_ready()]  # the first statement shows how slow the server is
        kept = asyncio.create_task(keep_all(store, ["good"]))
        await asyncio.sleep(0)
        while not kept.done():
            ready.append(await store.is_ready())
        return ready

    assert all(use(slower_database, probe, 40))


def test_a_probe_while_more_rows_wait_than_are_taken(feedback_database: str) -> None:
    """The instance is ready, or a platform would send its requests to the other instances."""

    async def probe(store: Store) -> bool:
        await store.is_ready()
        with locked_table(feedback_database, 1.5):  # the statement shows how slow the server is
            rows = [asyncio.create_task(keep(store, entry())) for _ in range(1000)]
            await asyncio.wait(rows, return_when=asyncio.FIRST_COMPLETED)
        with pytest.raises(Unavailable):
            await keep(store, entry())
        ready = await store.is_ready()
        await asyncio.gather(*rows)
        return ready

    assert use(feedback_database, probe, 40)


def test_a_row_whose_id_another_transaction_holds(feedback_database: str) -> None:
    """It is stored when the other transaction ends without it, and its neighbors before."""
    held = entry("held")

    async def run(store: Store) -> list[StoredEntry]:
        await keep(store, entry())
        tasks = [asyncio.create_task(keep(store, it)) for it in (held, *map(entry, ["good"] * 20))]
        await asyncio.gather(*tasks[1:])
        assert not tasks[0].done()
        await asyncio.to_thread(connection.run, "ROLLBACK")
        return await asyncio.gather(*tasks)

    with closing(open_connection(feedback_database)) as connection:
        connection.run("BEGIN")
        connection.run(
            "INSERT INTO feedback (id, student_id, perceived_difficulty, strategy_snapshot)"
            f" VALUES ('{held.id}', gen_random_uuid(), 'ok', '{{}}')"
        )
        stored = use(feedback_database, run, SECONDS)
    assert not any(row.repeated for row in stored)


def test_rows_that_arrive_steadily_beside_rows_that_wait(feedback_database: str) -> None:
    """One of fifty waits; each of the others is stored."""
    query(feedback_database, SLEEPS)

    async def run(store: Store) -> list[StoredEntry | BaseException]:
        tasks = []
        for number in range(500):
            message = "good" if number % 50 else "poison"
            tasks.append(asyncio.create_task(keep(store, entry(message))))
            await asyncio.sleep(0.02)
        return await asyncio.gather(*tasks, return_exceptions=True)

    outcomes = use(feedback_database, run, SECONDS)
    good = [outcome for number, outcome in enumerate(outcomes) if number % 50]
    assert sum(isinstance(outcome, StoredEntry) for outcome in good) == len(good)
