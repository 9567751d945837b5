"""A data folder of PostgreSQL, and the server that is started in it."""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from dev import places, postmaster
from dev.account import Account
from dev.postmaster import Mode

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # a clone's path is easily longer than a socket's may be
    "wal_level": "logical",
    "max_connections": "100",
    "max_wal_senders": "10",
    "max_replication_slots": "10",
    "max_slot_wal_keep_size": "512MB",  # a slot that nobody follows must not fill the disk
    "log_checkpoints": "off",
}
# Sorted the same on every machine, whatever locales it has.
LOCALE = ["--no-locale", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
INITDB = ["--username=postgres", "--auth=trust", "--encoding=UTF8", *LOCALE]
START_LIMIT = 60.0  # seconds, for the recovery after a crash


class PostgresError(Exception):
    """PostgreSQL could not be started; the text says why."""


class Cluster:
    """The data in `folder`/cluster, and the server's log beside it."""

    def __init__(self, folder: Path, account: Account, *, durable: bool) -> None:
        self.data = folder / "cluster"
        self._folder = folder
        self._log = folder / "server.log"
        self._account = account
        self._programs = places.programs_for(account)
        self._durable = durable
        self._server: subprocess.Popen[bytes] | None = None

    def make(self) -> None:
        """Make the data folder unless it is there.

        It gets its name when it is whole, so that an interrupted one is never taken for one.
        """
        if self.data.exists():
            return
        for half_made in self._folder.glob("cluster-*"):
            shutil.rmtree(half_made, ignore_errors=True)
        new = Path(tempfile.mkdtemp(prefix="cluster-", dir=self._folder))
        self._account.own(new)
        self._initdb(new)
        new.rename(self.data)

    def launch(self, port: int) -> bool:
        """Start the server and wait until it takes connections; False when the port is taken."""
        # It may name a process that is not ours by now, and then PostgreSQL would not start.
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        self._server = self._spawn(port)
        if self._wait_until_ready(self._server):
            return True
        self.halt("immediate")
        if "could not create any TCP/IP sockets" in self.log_text():
            return False
        raise PostgresError(f"PostgreSQL did not start:\n{self.log_text()}")

    def halt(self, mode: Mode) -> None:
        """Stop whatever server runs in the data folder, an earlier process's too."""
        postmaster.halt(self.data, mode)
        if self._server is not None:
            self._server.wait()  # else it stays as a zombie
            self._server = None

    def log_text(self) -> str:
        """What the server has logged since its start."""
        return self._log.read_text(errors="replace")

    def _initdb(self, new: Path) -> None:
        unsafe = [] if self._durable else ["--no-sync"]
        done = subprocess.run(
            [self._programs / "initdb", f"--pgdata={new}", *INITDB, *unsafe],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",  # the account may not be able to enter ours
            start_new_session=True,
            **self._account.popen_options,
        )
        if done.returncode != 0:
            raise PostgresError(f"initdb failed:\n{done.stdout}{done.stderr}")

    def _spawn(self, port: int) -> subprocess.Popen[bytes]:
        """Start the postmaster, in a session of its own: the terminal's Ctrl-C isn't for it.

        Without pg_ctl, which does the same but looks ten times a second only.
        """
        settings = {**SETTINGS, "port": str(port), "fsync": "on" if self._durable else "off"}
        arguments = [f"--{name}={value}" for name, value in settings.items()]
        with self._log.open("wb") as log:
            return subprocess.Popen(
                [self._programs / "postgres", "-D", self.data, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env={**os.environ, "LC_ALL": "C"},  # macOS's libraries misbehave without one
                start_new_session=True,
                **self._account.popen_options,
            )

    def _wait_until_ready(self, server: subprocess.Popen[bytes]) -> bool:
        deadline = time.monotonic() + START_LIMIT
        while server.poll() is None and time.monotonic() < deadline:
            if postmaster.is_ready(self.data):
                return True
            time.sleep(0.01)
        return False
