"""A commit that hangs is cancelled over TLS, and through PgBouncer."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pg8000.native import Connection

from tests.debian.conftest import WRITER, WRITERS_PASSWORD
from tests.debian.pgbouncer import Program, pooler
from tests.debian.server import DebianPostgres
from tests.debian.test_pgbouncer import USERS
from tests.instance import running
from tests.waiting import wait_until

pytestmark = pytest.mark.debian

STUCK = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"


@pytest.fixture
def commits_hang(superuser: Connection) -> Iterator[None]:
    """PostgreSQL waits for a standby that is not there."""
    set_standbys(superuser, "absent")
    yield
    set_standbys(superuser, "")


def set_standbys(superuser: Connection, names: str) -> None:
    superuser.run("SET synchronous_commit = off")
    superuser.run(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'")
    superuser.run("SELECT pg_reload_conf()")
    wait_until(lambda: superuser.run("SHOW synchronous_standby_names") == [[names]])


@pytest.mark.parametrize("pooled", [False, True])
@pytest.mark.usefixtures("commits_hang")
def test_no_backend_waits_on_when_the_request_was_given_up(
    debian: DebianPostgres,
    pgbouncers: dict[str, Program],
    superuser: Connection,
    tmp_path: Path,
    pooled: bool,
) -> None:
    with pooler(pgbouncers["own"], debian) as bouncer:
        bouncer.configure(USERS, pool_mode="transaction").start()
        server = bouncer if pooled else debian
        url = server.url(WRITER, WRITERS_PASSWORD)
        with running(tmp_path / "log", url, DATABASE_TIMEOUT="1") as function:
            function.wait_until_ready()
            assert function.post().status == 503
            assert function.get("/health/ready").status == 503
            wait_until(lambda: superuser.run(STUCK) == [[0]])
            assert "PostgreSQL is silent" in function.log
