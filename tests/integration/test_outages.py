"""What the store does when the way to PostgreSQL, or a commit, gets stuck."""

import asyncio
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme

from dev.postgres import EmbeddedPostgres
from function.domain import StoredEntry
from function.errors import Unavailable
from function.settings import load
from function.store import Store
from function.store.connection import connect
from function.store.driver import CONNECTION_ERRORS
from function.store.faults import describe
from function.store.jobs import BATCH_LIMIT
from tests.conftest import open_connection
from tests.integration import test_postgres
from tests.integration.test_postgres import front
from tests.integration.test_store import BACKENDS, entry, keep, query, use
from tests.waiting import wait_until

END = f"SELECT count(pg_terminate_backend(pid)) {BACKENDS}"
STUCK = f"SELECT count(*) {BACKENDS} AND wait_event = 'SyncRep'"


async def until(done: Callable[[], bool]) -> None:
    await asyncio.to_thread(wait_until, done)


def test_the_end_of_an_idle_connection_is_noticed_and_a_new_one_made(
    feedback_database: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "function.store")

    async def end(store: Store) -> None:
        await keep(store, entry())
        await asyncio.to_thread(query, feedback_database, END)
        await until(lambda: query(feedback_database, f"SELECT count(*) {BACKENDS}") == [[1]])
        await keep(store, entry())

    use(feedback_database, end)
    connected, unavailable, again = caplog.records
    assert connected.message == again.message == "database connected"
    assert unavailable.message == "database unavailable"
    assert vars(unavailable)["reason"].startswith("SQLSTATE 57P01: terminating connection")
    assert vars(unavailable)["host"]
    assert vars(unavailable)["port"]


def test_a_reason_is_logged_once_and_no_connection_while_no_row_is_written(
    feedback_database: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "function.store")

    async def rename(store: Store) -> None:
        await keep(store, entry())
        await asyncio.to_thread(query, feedback_database, "ALTER TABLE feedback RENAME TO old")
        await asyncio.gather(*(keep(store, entry()) for _ in range(20)), return_exceptions=True)

    use(feedback_database, rename, seconds=2)
    connected, unavailable = caplog.records
    assert connected.message == "database connected"
    assert vars(unavailable)["reason"].endswith("does not exist: run the migrate job")


def test_probes_that_fail_are_one_outage_though_connections_succeed(
    feedback_database: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "function.store")
    query(feedback_database, "ALTER TABLE feedback DROP CONSTRAINT feedback_pkey")

    async def probe(store: Store) -> None:
        for _ in range(2):
            store._checked = 0.0  # a second later
            assert not await store.is_ready()

    use(feedback_database, probe)
    connected, unavailable = caplog.records
    assert connected.message == "database connected"
    assert vars(unavailable)["reason"].startswith("SQLSTATE 42P10: there is no unique")


def test_repeats_are_answered_while_inserts_are_refused(feedback_database: str) -> None:
    async def repeat(store: Store) -> None:
        stored = entry()
        await keep(store, stored)
        await asyncio.to_thread(
            query, feedback_database, "ALTER TABLE feedback DROP CONSTRAINT feedback_pkey"
        )
        with pytest.raises(Unavailable):
            await keep(store, entry())
        assert [*await store.find([stored.id], store.deadline())] == [stored.id]

    use(feedback_database, repeat, seconds=2)


def test_a_rule_is_named_as_the_reason(
    feedback_database: str, caplog: pytest.LogCaptureFixture
) -> None:
    query(feedback_database, "CREATE RULE kept AS ON UPDATE TO feedback DO INSTEAD NOTHING")

    async def probe(store: Store) -> None:
        assert not await store.is_ready()

    use(feedback_database, probe)
    [unavailable] = caplog.records
    assert vars(unavailable)["reason"].endswith("that has INSERT or UPDATE rules")


@pytest.fixture
def commits_hang(own_postgres: EmbeddedPostgres) -> str:
    """The URL of a server that waits for a standby which is not there."""
    with closing(open_connection(own_postgres.url())) as connection:
        connection.run("ALTER SYSTEM SET synchronous_standby_names = 'absent'")
        connection.run("SELECT pg_reload_conf()")
        wait_until(lambda: connection.run("SHOW synchronous_standby_names") == [["absent"]])
    return own_postgres.url()


def test_a_commit_that_hangs_is_unavailable_not_ready_and_leaves_no_backend(
    commits_hang: str,
) -> None:
    async def insert(store: Store) -> None:
        for _ in range(3):
            with pytest.raises(Unavailable):
                await keep(store, entry())
            assert not await store.is_ready()
        await until(lambda: query(commits_hang, STUCK) == [[0]])

    use(commits_hang, insert, seconds=1)


def test_clients_that_go_away_leave_counters_and_batches_as_they_should_be(
    feedback_database: str,
) -> None:
    async def disconnect(store: Store) -> list[StoredEntry]:
        for _ in range(20):
            tasks = [asyncio.ensure_future(keep(store, entry("gone"))) for _ in range(100)]
            await asyncio.sleep(0.002)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        kept = await asyncio.gather(*(keep(store, entry("kept")) for _ in range(BATCH_LIMIT)))
        assert (store._queue.rows, store._queue._jobs) == (0, {})
        return kept

    assert len(use(feedback_database, disconnect)) == BATCH_LIMIT
    kept = "SELECT count(*), count(DISTINCT xmin::text) FROM feedback WHERE message = 'kept'"
    [[rows, transactions]] = query(feedback_database, kept)
    assert rows == BATCH_LIMIT
    assert int(str(transactions)) <= 2


def test_the_wait_for_a_silent_server_scales_with_the_timeout(
    own_postgres: EmbeddedPostgres,
) -> None:
    async def insert(store: Store) -> float:
        await keep(store, entry())
        with own_postgres.frozen():
            table = store._table
            assert table
            started = time.monotonic()
            with pytest.raises(TimeoutError):
                await table.insert([entry()])
            return time.monotonic() - started

    assert use(own_postgres.url(), insert, seconds=0.5) < 0.5


@pytest.fixture
def two_addresses(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[socket.socket, list[int]]]:
    """A name with two addresses: a server that takes connections and is silent, then the real one.

    Returns it, and the ports that were asked for.
    """
    look_up = socket.getaddrinfo
    with socket.create_server(("127.0.0.1", 0)) as silent:
        dead = ("127.0.0.1", silent.getsockname()[1])

        def both(host: str, port: int, **options: int) -> list[tuple[object, ...]]:
            found = look_up("127.0.0.1", port, **options)
            return [(*found[0][:4], dead), *found]

        monkeypatch.setattr("socket.getaddrinfo", both)
        yield silent, [dead[1]]


def test_each_address_of_a_name_gets_its_share_of_the_time(
    two_addresses: object, server_url: str
) -> None:
    settings = load({"DATABASE_URL": server_url, "PGCONNECT_TIMEOUT": "2"}).postgres
    started = time.monotonic()
    with closing(connect(settings, 5)) as session:
        assert session.run("SELECT 1") == [[1]]
    assert time.monotonic() - started > 0.9
    started = time.monotonic()
    with closing(connect(settings, 5, skip=1)) as session:
        assert session.run("SELECT 1") == [[1]]
    assert time.monotonic() - started < 0.9


def test_a_server_that_says_nothing_is_told_as_such() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://u@127.0.0.1:{silent.getsockname()[1]}/m?sslmode=disable"
        with pytest.raises(CONNECTION_ERRORS) as caught:
            connect(load({"DATABASE_URL": url, "PGCONNECT_TIMEOUT": "0.2"}).postgres, 5)
    assert describe(caught.value) == "TimeoutError: timed out"


def drip(source: socket.socket, sink: socket.socket) -> None:
    """Pass on byte by byte."""
    with suppress(OSError):
        while data := source.recv(65536):
            for byte in data:
                sink.sendall(bytes([byte]))
        sink.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("encrypted", [False, True])
def test_an_answer_in_single_bytes_is_an_answer(
    feedback_database: str, encrypted: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    monkeypatch.setattr(test_postgres, "_pump", drip)

    async def insert_and_find(store: Store) -> int:
        entries = [entry("\U0001f600" * 50) for _ in range(5)]
        await store.insert(entries, store.deadline())
        return len(await store.find([one.id for one in entries], store.deadline()))

    for server, url in front(feedback_database, context if encrypted else None):
        name = feedback_database.rpartition("/")[2]
        assert use(url.rpartition("/")[0] + f"/{name}", insert_and_find, 60) == 5
        assert server.encrypted == encrypted


@pytest.mark.parametrize("encrypted", [False, True])
def test_a_large_statement_and_a_large_answer_pass(feedback_database: str, encrypted: bool) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)

    async def insert_and_find(store: Store) -> int:
        entries = [entry("\U0001f600" * 5000) for _ in range(300)]
        await store.insert(entries, store.deadline())
        return len(await store.find([one.id for one in entries], store.deadline()))

    for _, url in front(feedback_database, context if encrypted else None):
        name = feedback_database.rpartition("/")[2]
        assert use(url.rpartition("/")[0] + f"/{name}", insert_and_find, 60) == 300


def test_a_commit_whose_answer_was_lost_leaves_the_instance_ready(
    feedback_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The repeat finds the row: it was written."""
    lose = threading.Event()
    target = urlsplit(feedback_database).port

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if lose.is_set() and source.getpeername()[1] == target:
                    lose.clear()
                    sink.shutdown(socket.SHUT_RDWR)
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    monkeypatch.setattr(test_postgres, "_pump", pump)

    async def insert(store: Store) -> tuple[StoredEntry, bool]:
        await keep(store, entry())
        lose.set()
        return await keep(store, entry()), await store.is_ready()

    for _, url in front(feedback_database, None):
        name = feedback_database.rpartition("/")[2]
        stored, ready = use(url.rpartition("/")[0] + f"/{name}", insert, 60)
        assert not stored.repeated
        assert ready
    assert query(feedback_database, "SELECT count(*) FROM feedback") == [[2]]


def test_an_outage_keeps_nothing_of_requests_that_have_given_up() -> None:
    async def give_up(store: Store) -> int:
        ended = [keep(store, entry("x" * 5000)) for _ in range(50)]
        outcomes = await asyncio.gather(*ended, return_exceptions=True)
        assert all(isinstance(outcome, Unavailable) for outcome in outcomes)
        assert not store._queue.waiting
        return len(outcomes)

    assert use("postgresql://u@127.0.0.1:1/d", give_up, seconds=1) == 50


def test_a_thread_that_can_not_start_ends_nothing(
    feedback_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the limit of processes is reached, for a moment."""
    start = threading.Thread.start
    failures = [RuntimeError("can't start new thread")]

    def fail_once(thread: threading.Thread) -> None:
        if thread.name == "connect" and failures:
            raise failures.pop()
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", fail_once)

    async def insert(store: Store) -> StoredEntry:
        return await keep(store, entry())

    assert use(feedback_database, insert, seconds=60)
    assert failures == []
