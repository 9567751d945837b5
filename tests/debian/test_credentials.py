"""Connections to a server that takes nothing but TLS and SCRAM passwords."""

import ssl
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import trustme
from pg8000.native import Connection, DatabaseError, literal

from tests.conftest import open_connection
from tests.debian.conftest import WRITER, WRITERS_PASSWORD
from tests.debian.server import DebianPostgres
from tests.instance import HOSTS, STUDENT, Instance, running
from tests.migrate.job import migrate
from tests.run.clone import run
from tests.waiting import wait_until

pytestmark = pytest.mark.debian

CONNECTIONS = """
SELECT usename, version FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
WHERE application_name = 'mentor-function'
"""


@pytest.mark.parametrize("host", HOSTS)
def test_every_host_connects_by_tls_and_its_password(
    host: str, debian: DebianPostgres, superuser: Connection, tmp_path: Path
) -> None:
    url = debian.url(WRITER, WRITERS_PASSWORD)
    with running(tmp_path / "log", url, host) as function:
        function.wait_until_ready()
        assert function.post().status == 200
        assert superuser.run(CONNECTIONS) == [[WRITER, "TLSv1.3"]]
        assert function.terminate() == 0
        assert "writer's" not in function.log


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("@localhost:", "@127.0.0.1:"), "certificate"),
        (("verify-full", "disable"), "no pg_hba.conf entry"),
        (("the%20writer", "the%20reader"), "password authentication failed"),
    ],
    ids=["another name", "no TLS", "another password"],
)
def test_whom_the_server_or_the_function_does_not_trust_stays_unready(
    debian: DebianPostgres, tmp_path: Path, change: tuple[str, str], reason: str
) -> None:
    url = debian.url(WRITER, WRITERS_PASSWORD).replace(*change)
    with running(tmp_path / "log", url, DATABASE_TIMEOUT="1") as function:
        function.wait_until_ready(probe="/health/liveness")
        assert function.get("/health/ready").status == 503
        assert function.post().status == 503
        assert reason in function.log


def test_a_server_of_another_authority_gets_no_password(
    debian: DebianPostgres, tmp_path: Path
) -> None:
    stranger = tmp_path / "stranger.crt"
    trustme.CA().cert_pem.write_to_path(str(stranger))
    url = debian.url().replace(str(debian.root_certificate), str(stranger))
    with pytest.raises(ssl.SSLCertVerificationError):
        open_connection(url)
    assert "CERTIFICATE_VERIFY_FAILED" in migrate(url, timeout=5).output


@pytest.fixture
def mounted(tmp_path: Path) -> "Mounted":
    return Mounted(tmp_path / "mounted")


class Mounted:
    """A folder of credentials as Kubernetes mounts a Secret: both files change at one moment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._version = 0
        folder.mkdir()
        for name in ("username", "password"):
            (folder / name).symlink_to(f"..data/{name}")

    def write(self, username: str, password: str) -> None:
        self._version += 1
        new = self.folder / f"..version{self._version}"
        new.mkdir()
        (new / "username").write_text(username)
        (new / "password").write_text(password)
        (self.folder / "..new").symlink_to(new.name)
        (self.folder / "..new").rename(self.folder / "..data")


@pytest.fixture
def rotating(debian: DebianPostgres, mounted: Mounted, tmp_path: Path) -> Iterator[Instance]:
    """A function whose credentials are in the mounted folder."""
    mounted.write(WRITER, WRITERS_PASSWORD)
    url = debian.url("nobody").replace("nobody:the%20superuser's@", "")
    environ = {"PG_CREDENTIALS_DIR": str(mounted.folder), "DATABASE_TIMEOUT": "2"}
    with running(tmp_path / "log", url, **environ) as function:
        yield function.wait_until_ready()


def test_a_rotated_password_is_picked_up_without_a_restart(
    rotating: Instance, mounted: Mounted, superuser: Connection
) -> None:
    try:
        set_password(superuser, "the next one")
        assert rotating.post().status == 200  # the connection outlives its password
        end_connections(superuser)
        assert rotating.post().status == 503  # the files are old: no connection, and no loss
        mounted.write(WRITER, "the next one")
        wait_until(lambda: rotating.get("/health/ready").status == 200)
        assert rotating.post().status == 200
    finally:
        set_password(superuser, WRITERS_PASSWORD)


def test_another_user_takes_over_at_the_next_connection(
    rotating: Instance, mounted: Mounted, superuser: Connection
) -> None:
    superuser.run("CREATE ROLE mentor_2 LOGIN PASSWORD 'second' IN ROLE mentor_writer")
    try:
        mounted.write("mentor_2", "second")
        end_connections(superuser)
        assert rotating.post().status == 200
        assert superuser.run(CONNECTIONS) == [["mentor_2", "TLSv1.3"]]
    finally:
        rotating.terminate()
        superuser.run("DROP ROLE mentor_2")


def test_the_functions_role_inserts_reads_its_table_and_may_do_nothing_else(
    debian: DebianPostgres, superuser: Connection, tmp_path: Path
) -> None:
    url = debian.url(WRITER, WRITERS_PASSWORD)
    with running(tmp_path / "log", url) as function:
        assert function.wait_until_ready().post(headers={"Idempotency-Key": "1"}).status == 200
        assert function.post(headers={"Idempotency-Key": "1"}).status == 200
    superuser.run("CREATE TABLE IF NOT EXISTS grades (student_id UUID)")
    with closing(open_connection(url)) as connection:
        rows = connection.run(f"SELECT FROM feedback WHERE student_id = '{STUDENT}' LIMIT 1")
        assert len(rows) == 1
        for forbidden in (
            "UPDATE feedback SET message = ''",
            "DELETE FROM feedback",
            "TRUNCATE feedback",
            "SELECT FROM grades",
            "SELECT FROM pg_authid",
            "CREATE TABLE mine ()",
            "ALTER TABLE feedback DROP COLUMN message",
            "COPY feedback TO PROGRAM 'true'",
            "CREATE ROLE other",
            "SET ROLE postgres",
        ):
            with pytest.raises(DatabaseError, match="42501"):
                connection.run(forbidden)


def set_password(superuser: Connection, password: str) -> None:
    superuser.run(f"ALTER ROLE {WRITER} PASSWORD {literal(password)}")


def end_connections(superuser: Connection) -> None:
    superuser.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'mentor-function'"
    )


def test_make_migrate_names_a_wrong_password_and_a_wrong_certificate(
    debian: DebianPostgres,
) -> None:
    wrong_name = debian.url().replace("@localhost", "@127.0.0.1")
    for url, reason in (
        (debian.url(password="s3cr3t"), "SQLSTATE 28P01: password authentication failed"),
        (wrong_name, "certificate is not valid for '127.0.0.1'"),
    ):
        code, said = run("dev.database", DATABASE_URL=url)
        assert (code, said.count(reason)) == (1, 1)
        assert "heck DATABASE_URL and PG*." in said
        assert "s3cr3t" not in said
