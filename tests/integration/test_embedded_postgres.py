"""The development PostgreSQL survives what happens on a developer's machine."""

import os
import shutil
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

from dev import account, places
from dev.cluster import PostgresError
from dev.postgres import TEMPORARY, AlreadyRunningError, EmbeddedPostgres


@pytest.fixture(scope="module")
def template() -> Iterator[Path]:
    """A data folder to copy, since making one takes most of a second."""
    with EmbeddedPostgres.temporary() as server:
        server.stop()
        yield server.folder / "cluster"


@pytest.fixture
def folder(template: Path) -> Iterator[Path]:
    """Not pytest's tmp_path: root's is closed to the account that PostgreSQL runs under."""
    folder = places.temporary_folder(account.unprivileged(), "test-embedded-postgres-")
    subprocess.run(["cp", "-a", template, folder], check=True)
    yield folder
    shutil.rmtree(folder)


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
    pids = server.pids()
    server.stop()
    assert pids
    assert not [pid for pid in pids if psutil.pid_exists(pid)]
    assert server.pids() == []


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
    with subprocess.Popen(
        ["cat"], stdin=subprocess.PIPE, **account.unprivileged().popen_options
    ) as bystander:
        lines = pid_file(server).read_text().splitlines(keepends=True)
        pid_file(server).write_text("".join([f"{bystander.pid}\n", *lines[1:]]))
        server.start()
        assert answers(server)
        assert bystander.poll() is None


def test_children_that_outlive_their_postmaster_are_not_in_the_way(
    server: EmbeddedPostgres,
) -> None:
    server.start()
    postmaster, *children = (psutil.Process(pid) for pid in server.pids())
    for child in children:
        child.suspend()
    postmaster.kill()
    server.start()
    assert answers(server)


def test_a_server_left_by_a_killed_process_is_taken_over(
    folder: Path, server: EmbeddedPostgres
) -> None:
    script = f"""
import os, signal, pathlib
from dev.postgres import EmbeddedPostgres
server = EmbeddedPostgres(pathlib.Path({str(folder)!r}), durable=False)
server.start()
os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run([sys.executable, "-c", script], cwd=places.CLONE, check=False)
    assert killed.returncode < 0
    left = server.pids()
    assert left
    server.start()
    assert answers(server)
    assert not set(left) & set(server.pids())


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
    url, pids = server.url(), server.pids()
    server.restart("immediate")
    assert server.url() == url
    assert not set(pids) & set(server.pids())
    assert answers(server)


def test_a_frozen_server_is_there_but_silent_until_it_thaws(server: EmbeddedPostgres) -> None:
    server.start()
    with server.frozen(), socket.create_connection(("127.0.0.1", server.port or 0), 0.3) as client:
        client.sendall(bytes.fromhex("00000008 04d2162f"))  # SSLRequest
        with pytest.raises(TimeoutError):
            client.recv(1)
    assert answers(server)


def test_a_frozen_server_can_be_stopped(server: EmbeddedPostgres) -> None:
    server.start()
    with server.frozen():
        server.stop()
    assert server.pids() == []


def test_a_database_is_made_once(server: EmbeddedPostgres) -> None:
    server.start()
    url = server.create_database("a database")
    assert server.create_database("a database") == url
    assert ["a database"] in query(server, "SELECT datname FROM pg_database")


def test_nothing_is_left_of_a_temporary_server() -> None:
    with EmbeddedPostgres.temporary() as server:
        assert answers(server)
        pids = server.pids()
    assert not server.folder.exists()
    assert not [pid for pid in pids if psutil.pid_exists(pid)]


def test_a_folder_that_another_process_removes_meanwhile_is_not_in_the_way(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    (folder / f"{TEMPORARY}removed").symlink_to("nowhere")  # it is listed, but it is not there
    with EmbeddedPostgres.temporary() as server:
        assert answers(server)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start what `nobody` can't reach")
def test_root_keeps_data_where_the_unprivileged_account_gets_at_it(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    server = EmbeddedPostgres(tmp_path / "data", durable=False)
    try:
        server.start()
        assert answers(server)
        assert tmp_path not in server.folder.parents
        assert psutil.Process(server.pids()[0]).username() == "nobody"
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
