"""PostgreSQL 18 from a wheel: a real server for `make run` and the tests.

It listens on a port of the loopback interface, asks for no password, and writes the log that
logical decoding (Debezium) needs. One process at a time owns a server's folder, by a lock.
"""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import IO, Self

import psutil
from pg8000.native import Connection, identifier

from dev import paths
from dev.initdb import PostgresError, make_data
from dev.ports import HOST, usual_ports
from dev.postmaster import SIGNALS, STOP_LIMIT, Mode, end_leftover, is_ready
from dev.supervisor import Process, wait_until_gone

SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",  # the path of a socket must be short, and a clone's may be long
    "wal_level": "logical",
    "max_connections": "100",
    "max_wal_senders": "10",
    "max_replication_slots": "10",
    "max_slot_wal_keep_size": "512MB",  # a forgotten slot must not fill the disk
    "log_checkpoints": "off",
}
START_LIMIT = 60.0  # seconds, for the recovery after a crash


class AlreadyRunningError(PostgresError):
    """Another process owns the server of this folder."""


class EmbeddedPostgres:
    """A server whose data, log and lock are in `folder`, which may differ: see dev/paths.py.

    `durable=False` saves writes to the disk, for servers whose data may be lost in a power cut.
    """

    def __init__(self, folder: Path, *, durable: bool = True, **settings: str) -> None:
        self.folder = paths.data_folder(folder)
        self.data = self.folder / "cluster"
        self.settings = {**SETTINGS, "fsync": "on" if durable else "off", **settings}
        self.port: int | None = None
        self._log = self.folder / "server.log"
        self._lock: IO[str] | None = None
        self._server: Process | None = None

    def url(self, database: str = "postgres") -> str:
        """The URL of a database, for the superuser `postgres`."""
        return f"postgresql://postgres@{HOST}:{self.port}/{database}"

    def create_database(self, name: str) -> str:
        """Make the database unless it exists, and return its URL."""
        with closing(Connection("postgres", host=HOST, port=self.port)) as connection:
            if not connection.run("SELECT 1 FROM pg_database WHERE datname = :name", name=name):
                connection.run(f"CREATE DATABASE {identifier(name)}")
        return self.url(name)

    def claim(self) -> None:
        """Own the folder until stop(); start() calls it. Raises AlreadyRunningError."""
        try:
            self._lock = self._lock or paths.try_lock(self.folder / "lock")
        except PermissionError:
            raise self._not_ours() from None
        if self._lock is None:
            raise AlreadyRunningError(f"{self.folder} is in use: is `make run` already running?")

    def start(self) -> None:
        """Make the data folder unless it exists; (re)start the server and wait until it is ready.

        A server keeps its port between starts, unless another program has taken it meanwhile.
        """
        self.claim()
        self._halt("fast")
        if not self.data.exists():
            make_data(self.data, sync=self.settings["fsync"] == "on")
        if self.data.stat().st_uid != paths.unprivileged().get("user", os.geteuid()):
            raise self._not_ours()
        end_leftover(self.data)
        for port in [self.port, *usual_ports(self.folder)]:
            if port and self._launch(port):
                self.port = port
                return
        raise PostgresError(f"No port is free:\n{self._log_text()}")

    def stop(self, mode: Mode = "fast") -> None:
        """Stop the server and give up the folder; harmless when nothing runs."""
        self._halt(mode)
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def restart(self, mode: Mode = "fast") -> None:
        """Stop and start; no other process gets the folder meanwhile."""
        self._halt(mode)
        self.start()

    def require_password(self, role: str) -> None:
        """Refuse the role without its password, from the next start or pg_reload_conf() on."""
        rules = self.data / "pg_hba.conf"
        rules.write_text(f'host all "{role}" all scram-sha-256\n{rules.read_text()}')

    def processes(self) -> list[psutil.Process]:
        """All processes of the running server, the postmaster first."""
        if self._server is None or self._server.poll() is not None:
            return []
        postmaster = psutil.Process(self._server.pid)
        return [postmaster, *postmaster.children()]

    def crash(self) -> None:
        """Kill every process of the server at once, as a power cut does."""
        processes = self.processes()
        _signal(processes, signal.SIGKILL)
        self._halt("immediate")
        wait_until_gone(processes, STOP_LIMIT)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Suspend every process: the server exists, but does not answer."""
        processes = self.processes()
        _signal(processes, signal.SIGSTOP)
        try:
            yield
        finally:
            _signal(processes, signal.SIGCONT)

    @classmethod
    @contextmanager
    def temporary(cls, data: Path | None = None, /, **settings: str) -> Iterator[Self]:
        """A running server that is not durable; nothing is left of it after the block.

        It begins with a copy of `data`, the folder of a server that was stopped, or empty.
        """
        with paths.temporary_folder("mentor-pg-") as folder:
            server = cls(folder, durable=False, **settings)
            try:
                if data:
                    subprocess.run(["cp", "-a", data, server.data], check=True)
                server.start()
                yield server
            finally:
                server.stop("immediate")

    def _launch(self, port: int) -> bool:
        """Start the server and wait until it takes connections; False when the port is taken.

        Without pg_ctl: a server that it starts outlives a `make run` that is killed.
        """
        self._log.unlink(missing_ok=True)
        settings = {**self.settings, "port": str(port)}
        self._server = Process(
            [
                *(paths.postgres_programs() / "postgres", "-D", self.data),
                *(f"--{name}={value}" for name, value in settings.items()),
            ],
            log=self._log,
            env={**os.environ, "LC_ALL": "C"},  # macOS's libraries misbehave without one
            cwd="/",
            on_death=signal.SIGQUIT,
            **paths.unprivileged(),
        )
        deadline = time.monotonic() + START_LIMIT
        while self._server.poll() is None and time.monotonic() < deadline:
            if is_ready(self.data):
                return True
            time.sleep(0.01)
        self._halt("immediate")
        if "could not create any TCP/IP sockets" in self._log_text():
            return False
        raise PostgresError(f"PostgreSQL did not start:\n{self._log_text()}")

    def _halt(self, mode: Mode) -> None:
        if self._server is not None:
            self._server.end(STOP_LIMIT, SIGNALS[mode])
            self._server = None

    def _log_text(self) -> str:
        return self._log.read_text(errors="replace")

    def _not_ours(self) -> PostgresError:
        return PostgresError(
            f"{self.folder} belongs to another user: run as that user or remove it"
        )


def _signal(processes: list[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)
