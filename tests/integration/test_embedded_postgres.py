"""The development PostgreSQL survives what happens on a developer's machine."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from pg8000.native import Connection

from dev import paths
from dev.initdb import PostgresError
from dev.postgres import AlreadyRunningError, EmbeddedPostgres
from dev.supervisor import wait_until_gone
from tests.waiting import wait_until


@pytest.fixture
def folder(cluster: Path) -> Iterator[Path]:
    """Not pytest's tmp_path: root's is closed to the account that PostgreSQL runs under."""
    with paths.temporary_folder("test-embedded-postgres-") as folder:
        subprocess.run(["cp", "-a", cluster, folder], check=True)
        yield folder


@pytest.fixture
def server(folder: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(folder, durable=False)
    yield server
    server.stop("immediate")


def query(server: EmbeddedPostgres, sql: str) -> list[list[object]]:
    with closing(Connection("postgres", host="127.0.0.1", port=server.port)) as connection:
        rows: list[list[object]] = connection.run(sql)
        return rows


def answers(server: EmbeddedPostgres) -> bool:
    return query(server, "SELECT 1") == [[1]]


def pid_file(server: EmbeddedPostgres) -> Path:
    return server.folder / "cluster" / "postmaster.pid"


def test_a_started_server_offers_utf8_and_logical_decoding_on_the_loopback_interface(
    server: EmbeddedPostgres,
) -> None:
    server.start()
    assert urlsplit(server.url("x")).hostname == "127.0.0.1"
    assert query(server, "SHOW server_encoding") == [["UTF8"]]
    assert query(server, "SELECT upper('ä')") == [["Ä"]]
    query(server, "SELECT pg_create_logical_replication_slot('slot', 'pgoutput')")
    with pytest.raises(ConnectionRefusedError), socket.socket(socket.AF_INET6) as other:
        other.connect(("::1", server.port or 0))


def test_a_stopped_server_leaves_no_process(server: EmbeddedPostgres) -> None:
    server.start()
    processes = server.processes()
    server.stop()
    assert processes
    assert wait_until_gone(processes, 0)
    assert server.processes() == []


def test_stopping_twice_or_before_the_start_is_harmless(server: EmbeddedPostgres) -> None:
    server.stop()
    server.start()
    server.stop()
    server.stop()


def test_data_and_address_are_kept_between_starts(folder: Path, server: EmbeddedPostgres) -> None:
    server.start()
    query(server, "CREATE TABLE kept AS SELECT 42 AS answer")
    url = server.url()
    server.stop()
    later = EmbeddedPostgres(folder, durable=False)
    later.start()
    try:
        assert later.url() == url
        assert query(later, "TABLE kept") == [[42]]
    finally:
        later.stop()


def test_committed_rows_survive_a_crash(server: EmbeddedPostgres) -> None:
    server.start()
    query(server, "CREATE TABLE kept AS SELECT 42 AS answer")
    server.crash()
    assert pid_file(server).exists()
    server.start()
    assert query(server, "TABLE kept") == [[42]]


def test_a_pid_file_that_names_an_unrelated_process_is_not_believed(
    server: EmbeddedPostgres,
) -> None:
    server.start()
    server.crash()
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, **paths.unprivileged()) as bystander:
        lines = pid_file(server).read_text().splitlines(keepends=True)
        pid_file(server).write_text("".join([f"{bystander.pid}\n", *lines[1:]]))
        server.start()
        assert answers(server)
        assert bystander.poll() is None


KILLED = """
import os, pathlib, signal, sys
from dev.postgres import EmbeddedPostgres
server = EmbeddedPostgres(pathlib.Path(sys.argv[1]), durable=False)
server.start()
print(server.processes()[0].pid, flush=True)
if sys.argv[2:]:
    server._server._guard.kill()
os.kill(os.getpid(), signal.SIGKILL)
"""


def start_and_be_killed(folder: Path, *options: str) -> int:
    """The process id of PostgreSQL, whose owner is gone."""
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, folder, *options],
        cwd=paths.CLONE,
        stdout=subprocess.PIPE,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    return int(killed.stdout)


def test_nothing_is_left_of_a_server_whose_owner_was_killed(folder: Path) -> None:
    pid = start_and_be_killed(folder)
    wait_until(lambda: not psutil.pid_exists(pid) or wait_until_gone([psutil.Process(pid)], 0))


def test_a_server_that_lost_its_guard_too_is_ended_by_the_next_start(
    folder: Path, server: EmbeddedPostgres
) -> None:
    left = psutil.Process(start_and_be_killed(folder, "without a guard"))
    server.start()
    assert answers(server)
    assert wait_until_gone([left], 0)


def test_a_half_made_data_folder_is_not_taken_for_a_whole_one(
    folder: Path, server: EmbeddedPostgres
) -> None:
    shutil.rmtree(folder / "cluster")
    half_made = folder / "cluster-interrupted"
    half_made.mkdir()
    (half_made / "PG_VERSION").write_text("18\n")
    server.start()
    assert answers(server)
    assert not half_made.exists()


def test_a_second_owner_of_a_folder_is_told_that_it_is_taken(
    folder: Path, server: EmbeddedPostgres
) -> None:
    server.start()
    with pytest.raises(AlreadyRunningError, match=str(folder)):
        EmbeddedPostgres(folder).start()
    assert answers(server)


def test_two_servers_run_side_by_side(server: EmbeddedPostgres) -> None:
    server.start()
    with EmbeddedPostgres.temporary() as other:
        assert other.port != server.port
        assert answers(server)
        assert answers(other)


def test_a_busy_port_is_passed_over(server: EmbeddedPostgres) -> None:
    server.start()
    usual = server.port or 0
    server.stop()
    with socket.create_server(("127.0.0.1", usual)):
        later = EmbeddedPostgres(server.folder, durable=False)
        later.start()
        try:
            assert later.port != usual
            assert answers(later)
        finally:
            later.stop()


def test_a_restarted_server_is_a_new_one_at_the_same_address(server: EmbeddedPostgres) -> None:
    server.start()
    url, processes = server.url(), server.processes()
    server.restart("immediate")
    assert server.url() == url
    assert not set(processes) & set(server.processes())
    assert answers(server)


def test_a_frozen_server_is_there_but_silent_until_it_thaws(server: EmbeddedPostgres) -> None:
    server.start()
    with server.frozen(), socket.create_connection(("127.0.0.1", server.port or 0), 0.3) as client:
        client.sendall(bytes.fromhex("00000008 04d2162f"))  # SSLRequest
        with pytest.raises(TimeoutError):
            client.recv(1)
    assert answers(server)


def test_a_database_is_made_once(server: EmbeddedPostgres) -> None:
    server.start()
    url = server.create_database("a database")
    assert server.create_database("a database") == url
    assert ["a database"] in query(server, "SELECT datname FROM pg_database")


def test_nothing_is_left_of_a_temporary_server() -> None:
    with EmbeddedPostgres.temporary() as server:
        assert answers(server)
        processes = server.processes()
    assert not server.folder.exists()
    assert wait_until_gone(processes, 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start what `nobody` can't reach")
def test_root_keeps_data_where_the_unprivileged_account_gets_at_it(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    server = EmbeddedPostgres(tmp_path / "data", durable=False)
    try:
        server.start()
        assert answers(server)
        assert tmp_path not in server.folder.parents
        assert server.processes()[0].username() == "nobody"
    finally:
        server.stop()
        shutil.rmtree(server.folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_refused_in_plain_words(server: EmbeddedPostgres) -> None:
    server.start()
    server.stop()
    shutil.chown(server.folder / "cluster", "daemon")
    with pytest.raises(PostgresError, match="belongs to another user"):
        server.start()
