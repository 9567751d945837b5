"""Debian's PostgreSQL, as a managed one is: TLS, SCRAM passwords, and no other way in.

The embedded server of the other tests is built without TLS.
"""

import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import trustme

from dev import paths
from dev.ports import free_port
from dev.postmaster import is_ready
from dev.supervisor import Process

PROGRAMS = "/usr/lib/postgresql/*/bin"
PASSWORD = "the superuser's"
SETTINGS = {
    "ssl": "on",
    "ssl_cert_file": "server.crt",
    "ssl_key_file": "server.key",
    "listen_addresses": "localhost",
    "unix_socket_directories": "",
    "max_connections": "60",
    "fsync": "off",
}
RULES = """\
hostssl all unencrypted localhost reject
hostnossl all unencrypted localhost scram-sha-256
hostssl all all localhost scram-sha-256
"""


class DebianPostgres:
    """A server in `folder`, whose certificate is of `authority` and for localhost alone."""

    def __init__(self, folder: Path, authority: trustme.CA) -> None:
        self.port = free_port()
        self.authority = authority
        self.root_certificate = folder / "root.crt"
        authority.cert_pem.write_to_path(str(self.root_certificate))
        self.root_certificate.chmod(0o644)
        self._data = folder / "data"
        self._password = folder / "password"
        self._log = folder / "server.log"
        self._certificate = authority.issue_cert("localhost")
        self._server: Process | None = None

    def url(self, user: str = "postgres", password: str = PASSWORD) -> str:
        """The URL of the maintenance database, with TLS and all its checks."""
        checks = f"sslmode=verify-full&sslrootcert={self.root_certificate}"
        secret = password.replace(" ", "%20")
        return f"postgresql://{user}:{secret}@localhost:{self.port}/postgres?{checks}"

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def make(self) -> None:
        """Make the data folder, with the certificate and the rules of who may come in."""
        self._password.write_text(PASSWORD)
        paths.give_away(self._password)
        arguments = ["--username=postgres", f"--pwfile={self._password}", "--auth=scram-sha-256"]
        self._run(["initdb", f"--pgdata={self._data}", "--no-sync", "--encoding=UTF8", *arguments])
        (self._data / "pg_hba.conf").write_text(RULES)
        self._certificate.private_key_pem.write_to_path(str(self._data / "server.key"))
        self._certificate.cert_chain_pems[0].write_to_path(str(self._data / "server.crt"))
        (self._data / "server.key").chmod(0o600)
        paths.give_away(self._data / "server.key")

    def start(self) -> None:
        """Start it; returns when it takes connections."""
        settings = [f"--{name}={value}" for name, value in SETTINGS.items()]
        self._server = Process(
            [_program("postgres"), "-D", self._data, f"--port={self.port}", *settings],
            log=self._log,
            cwd="/",
            on_death=signal.SIGQUIT,
            **paths.unprivileged(),
        )
        while not is_ready(self._data):
            assert self._server.poll() is None, self.log
            time.sleep(0.02)

    def stop(self) -> None:
        """End it, and every connection with it."""
        if self._server is not None:
            self._server.end(stop_signal=signal.SIGQUIT)

    def _run(self, arguments: Sequence[str]) -> None:
        program, *rest = arguments
        subprocess.run(
            [_program(program), *rest],
            check=True,
            capture_output=True,
            cwd="/",
            **paths.unprivileged(),
        )


@contextmanager
def running_server() -> Iterator[DebianPostgres]:
    """A server for the block; nothing is left of it."""
    with paths.temporary_folder("mentor-debian-") as folder:
        paths.give_away(folder)
        server = DebianPostgres(folder, trustme.CA())
        try:
            server.make()
            server.start()
            yield server
        finally:
            server.stop()


def _program(name: str) -> Path:
    found = sorted(Path("/").glob(f"{PROGRAMS}/{name}".removeprefix("/")))
    assert found, "Debian's PostgreSQL is not here: apt-get install postgresql pgbouncer"
    return found[-1]
