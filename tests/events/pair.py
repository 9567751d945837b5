"""A primary, its standby, and an address that leads to the current primary."""

import re
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

from dev import paths
from dev.ports import HOST
from dev.postgres import EmbeddedPostgres
from tests.operations_guide import OPERATIONS

# Settings that pg_basebackup doesn't write.
GUIDE = OPERATIONS.read_text(encoding="utf-8")
[SETTINGS] = re.findall(r"^sync_replication_slots.*\n.*\n", GUIDE, re.MULTILINE)


@contextmanager
def standby_of(
    primary: EmbeddedPostgres, database: str, port: int | None = None
) -> Iterator[EmbeddedPostgres]:
    """Run a standby with a physical slot `standby` and the settings of docs/operations.md."""
    with paths.temporary_folder("mentor-pg-") as folder:
        paths.give_away(folder)
        standby = EmbeddedPostgres(folder, durable=False)
        standby.port = port
        try:
            _copy_cluster(primary, database, standby)
            standby.start()
            yield standby
        finally:
            standby.stop("immediate")


def _copy_cluster(primary: EmbeddedPostgres, database: str, standby: EmbeddedPostgres) -> None:
    data = standby.data
    source = f"host={HOST} port={primary.port} user=postgres dbname={database}"
    options = ["--write-recovery-conf", "--create-slot", "--slot=standby", "--checkpoint=fast"]
    subprocess.run(
        [paths.postgres_programs() / "pg_basebackup", f"--pgdata={data}", "-d", source, *options],
        check=True,
        capture_output=True,
        cwd="/",
        **paths.unprivileged(),
    )
    with (data / "postgresql.auto.conf").open("a") as file:
        file.write(SETTINGS)


class Address:
    """A port that stays the same, like a virtual address, in front of `server`."""

    def __init__(self, server: EmbeddedPostgres, listener: socket.socket) -> None:
        self.server: EmbeddedPostgres | None = server  # None: there is no primary
        self.port = listener.getsockname()[1]
        self._listener = listener

    def serve(self) -> None:
        """Forward connections until the listener is shut down and all of them have ended."""
        with suppress(OSError), ThreadPoolExecutor(20) as pool:
            while True:
                pool.submit(self._pass_on, self._listener.accept()[0])

    def _pass_on(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            if self.server is None:
                return
            with (
                socket.create_connection((HOST, self.server.port)) as server,
                ThreadPoolExecutor(1) as pool,
            ):
                pool.submit(copy, server, client)
                copy(client, server)


def copy(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@contextmanager
def address_of(server: EmbeddedPostgres) -> Iterator[Address]:
    with socket.create_server((HOST, 0)) as listener, ThreadPoolExecutor(1) as pool:
        address = Address(server, listener)
        pool.submit(address.serve)
        try:
            yield address
        finally:
            listener.shutdown(socket.SHUT_RDWR)
