"""PostgreSQL 18 from a wheel: a real server for `make run` and the tests, with nothing to install.

It listens on a port of the loopback interface, without a password, and its log is what logical
decoding (Debezium) needs. One process at a time owns the folder, by a lock that ends with the
process; so whatever still runs in the folder when the lock is free was left over by one that was
killed, and is stopped before the next start.
"""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import IO, Self

from pg8000.native import Connection, identifier

from dev import account, places, ports, postmaster
from dev.cluster import Cluster, PostgresError
from dev.postmaster import Mode
from dev.processes import freeze, kill, thaw

TEMPORARY = "mentor-postgres-"


class AlreadyRunningError(PostgresError):
    """Another living process owns the server of this folder."""


class EmbeddedPostgres:
    """A server whose data, log and lock lie in `folder`, which may move: see dev/places.py.

    `durable=False` spares the disk, for servers that nobody misses after a power cut.
    """

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        self._account = account.unprivileged()
        self.folder = places.folder_for(self._account, folder)
        self._cluster = Cluster(self.folder, self._account, durable=durable)
        self._lock: IO[str] | None = None
        self.port: int | None = None

    def url(self, database: str = "postgres") -> str:
        """The libpq URL of a database; the superuser `postgres` needs no password."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def create_database(self, name: str) -> str:
        """Make the database unless it is there, and return its URL."""
        with closing(Connection("postgres", host="127.0.0.1", port=self.port)) as connection:
            if not connection.run("SELECT 1 FROM pg_database WHERE datname = :name", name=name):
                connection.run(f"CREATE DATABASE {identifier(name)}")
        return self.url(name)

    def pids(self) -> list[int]:
        """All processes of the server, the postmaster first."""
        return [process.pid for process in postmaster.processes(self._cluster.data)]

    def claim(self) -> None:
        """Own the folder until stop(); start() does so by itself.

        Raises AlreadyRunningError.
        """
        if self._lock is not None:
            return
        try:
            lock = (self.folder / "lock").open("w")
        except PermissionError:
            raise self._not_ours() from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise AlreadyRunningError(f"{self.folder} is in use: already running?") from None
        self._lock = lock

    def start(self) -> None:
        """Start the server, first making its data folder; returns when it takes connections.

        A restarted server keeps its port, unless somebody took it meanwhile.
        """
        self.claim()
        self._cluster.halt("fast")
        self._cluster.make()
        if self._cluster.data.stat().st_uid != self._account.uid:
            raise self._not_ours()
        for port in chain([self.port] if self.port else [], ports.candidates(self.folder)):
            if self._cluster.launch(port):
                self.port = port
                return
        raise PostgresError(f"No port is free:\n{self._cluster.log_text()}")

    def stop(self, mode: Mode = "fast") -> None:
        """Stop the server and give up the folder; harmless when nothing runs."""
        if self._lock is not None:
            self._cluster.halt(mode)
            self._lock.close()
            self._lock = None

    def restart(self, mode: Mode = "fast") -> None:
        """Stop and start, with the folder kept."""
        self._cluster.halt(mode)
        self.start()

    def crash(self) -> None:
        """Kill every process of the server at once, as a power cut does."""
        kill(postmaster.processes(self._cluster.data))

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop every process in its tracks: the server is there, and does not answer."""
        processes = postmaster.processes(self._cluster.data)
        freeze(processes)
        try:
            yield
        finally:
            thaw(processes)

    @classmethod
    @contextmanager
    def temporary(cls) -> Iterator[Self]:
        """A started server that spares the disk; nothing is left of it afterwards."""
        cls._sweep_temporary()
        folder = places.temporary_folder(account.unprivileged(), TEMPORARY)
        server = cls(folder, durable=False)
        try:
            server.start()
            yield server
        finally:
            server.stop("immediate")
            shutil.rmtree(folder, ignore_errors=True)  # another process may sweep it meanwhile

    @classmethod
    def _sweep_temporary(cls) -> None:
        """Remove what killed processes left; a minute old, lest one is being made right now."""
        for folder in places.temporary_root(account.unprivileged()).glob(f"{TEMPORARY}*"):
            with suppress(AlreadyRunningError, FileNotFoundError):  # another process removes it
                found = folder.stat()
                if found.st_uid == os.geteuid() and time.time() - found.st_mtime > 60:
                    server = cls(folder)
                    server.claim()
                    server.stop("immediate")
                    shutil.rmtree(folder, ignore_errors=True)

    def _not_ours(self) -> PostgresError:
        return PostgresError(f"{self.folder} belongs to another user: run as that one or remove it")
