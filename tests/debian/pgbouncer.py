"""PgBouncer, before Debian's PostgreSQL: TLS on both sides, SCRAM on both sides."""

import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from dev import paths
from dev.paths import cache_folder
from dev.ports import free_port
from dev.supervisor import Process
from tests.debian.server import DebianPostgres

FETCH = Path(__file__).with_name("fetch_pgbouncer.sh")
Program = list[str | Path]


class PgBouncer:
    """A pooler in `folder`, which must be one that an unprivileged account can enter."""

    def __init__(self, program: Program, server: DebianPostgres, folder: Path) -> None:
        self.port = free_port()
        self._program = program
        self._server = server
        self._folder = folder
        self._process: Process | None = None

    def url(self, user: str, password: str) -> str:
        """As the server's, with the pooler's port."""
        return self._server.url(user, password).replace(f":{self._server.port}/", f":{self.port}/")

    @property
    def log(self) -> str:
        return (self._folder / "log").read_text(errors="replace")

    def configure(self, users: Mapping[str, str], **settings: str) -> Self:
        """Write its files: who may come in, by which password, and what differs from the rest."""
        certificate = self._server.authority.issue_cert("localhost")
        certificate.private_key_pem.write_to_path(str(self._folder / "key.pem"))
        certificate.cert_chain_pems[0].write_to_path(str(self._folder / "certificate.pem"))
        chosen = {
            "listen_addr": "localhost",
            "listen_port": str(self.port),
            "unix_socket_dir": "",
            "auth_type": "scram-sha-256",
            "auth_file": str(self._folder / "users.txt"),
            "client_tls_sslmode": "require",
            "client_tls_key_file": str(self._folder / "key.pem"),
            "client_tls_cert_file": str(self._folder / "certificate.pem"),
            "server_tls_sslmode": "verify-ca",  # c-ares may take localhost for ::1
            "server_tls_ca_file": str(self._server.root_certificate),
            "max_client_conn": "100",
            "server_login_retry": "1",  # 15 s by default, and a request waits no more than 10
            **settings,
        }
        lines = [f"* = host=127.0.0.1 port={self._server.port}", "[pgbouncer]"]
        lines += [f"{name} = {value}" for name, value in chosen.items()]
        self._write("pgbouncer.ini", "[databases]", *lines)
        self._write("users.txt", *(f'"{name}" "{secret}"' for name, secret in users.items()))
        paths.give_away(self._folder / "key.pem")
        return self

    def start(self) -> None:
        """Start it; returns when it takes connections."""
        self._process = Process(
            [*self._program, self._folder / "pgbouncer.ini"],
            log=self._folder / "log",
            cwd="/",
            **paths.unprivileged(),
        )
        before = self.log.count("process up")
        while self.log.count("process up") == before:
            assert self._process.poll() is None, self.log
            time.sleep(0.02)

    def stop(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.kill()

    def _write(self, name: str, *lines: str) -> None:
        (self._folder / name).write_text("\n".join([*lines, ""]))
        paths.give_away(self._folder / name)


@contextmanager
def pooler(program: Program, server: DebianPostgres) -> Iterator[PgBouncer]:
    """One that is configured and started in the block; nothing is left of it."""
    with paths.temporary_folder("mentor-pgbouncer-") as folder:
        paths.give_away(folder)
        bouncer = PgBouncer(program, server, folder)
        try:
            yield bouncer
        finally:
            bouncer.stop()


@contextmanager
def programs() -> Iterator[dict[str, Program]]:
    """PgBouncer as Debian has it here, and one that knows prepared statements (1.21 and later)."""
    found = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin")
    assert found, "PgBouncer is not here: apt-get install postgresql pgbouncer"
    if _version(found) >= (1, 21):
        yield {"own": [found], "newer": [found]}
        return
    with paths.temporary_folder("mentor-pgbouncer-") as folder:
        # A copy, because `nobody` can't enter root's cache.
        shutil.copytree(_fetched(), folder / "debian", symlinks=True)
        yield {"own": [found], "newer": _with_its_libraries(folder / "debian/usr")}


def _fetched() -> Path:
    folder = cache_folder() / "pgbouncer-debian-13"
    if not folder.exists():
        subprocess.run(["sh", FETCH, folder], check=True)
    return folder


def _with_its_libraries(usr: Path) -> Program:
    """Run by the loader of the same Debian, or it would get this one's libraries."""
    [loader] = usr.glob("lib/*/ld-linux-*")
    return [loader, "--library-path", loader.parent, usr / "sbin/pgbouncer"]


def _version(program: str) -> tuple[int, int]:
    """Its first two numbers."""
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    found = re.search(r"PgBouncer (\d+)\.(\d+)", done.stdout)
    assert found, done.stdout
    return int(found[1]), int(found[2])
