"""`make events DATABASE_URL=...` needs few rights, reports what is missing, and can clean up."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest

from dev import paths
from dev.postgres import EmbeddedPostgres
from tests.conftest import apply_schema, open_connection
from tests.events.follower import PATIENCE, command, following, insert, server_of_make_run
from tests.instance import ROOT
from tests.waiting import wait_until

ROLE, PASSWORD = "mentor debezium%1", "p@ss/w:rd %20 ${PGHOST} \\ é"
SLOTS = "SELECT slot_name FROM pg_replication_slots"


@pytest.fixture
def data() -> Iterator[Path]:
    with paths.temporary_folder("mentor-events-") as folder:
        yield folder


@pytest.fixture
def server() -> Iterator[EmbeddedPostgres]:
    with server_of_make_run() as server:
        yield server


def url_of(server: EmbeddedPostgres, role: str, password: str = "") -> str:
    user = f"{quote(role)}:{quote(password, safe='')}"
    return f"postgresql://{user}@127.0.0.1:{server.port}/mentor"


def run_sql(server: EmbeddedPostgres, *statements: str) -> list[list[object]]:
    with closing(open_connection(server.url("mentor"))) as connection:
        return [connection.run(statement) for statement in statements][-1] or []


def refused(data: Path, url: str) -> str:
    done = subprocess.run(
        command(data, "--json"),
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    return done.stderr


def test_superuser(server: EmbeddedPostgres, data: Path) -> None:
    """A superuser is refused, and the message shows how to create the right role."""
    said = refused(data, server.url("mentor"))
    assert "postgres is a superuser, and Debezium does not need one" in said
    statement = "CREATE ROLE mentor_debezium LOGIN REPLICATION PASSWORD '...' IN ROLE mentor_cdc;"
    assert statement in said
    run_sql(server, statement)
    with following(data, url=url_of(server, "mentor_debezium")) as follower:
        insert(server.url("mentor"), 1, 1)
        follower.until_message("message 1")
        follower.stop()


def test_missing_rights(data: Path) -> None:
    """All missing rights and settings are reported with the SQL that fixes them."""
    settings = {"wal_level": "replica", "max_replication_slots": "1"}
    with EmbeddedPostgres.temporary(**settings) as server:
        server.create_database("mentor")
        run_sql(
            server,
            f'CREATE ROLE "{ROLE}" LOGIN',
            "SELECT pg_create_physical_replication_slot('taken')",
        )
        url = url_of(server, ROLE)
        assert "public lacks the table feedback" in refused(data, url)
        apply_schema(server.url("mentor"))
        run_sql(server, "DROP PUBLICATION mentor_feedback")
        said = refused(data, url)
        for problem in (
            f"{ROLE} may not read PostgreSQL's log",
            f"{ROLE} may not read public.feedback, strategy_revision",
            "the publication mentor_feedback is missing",
            "wal_level is replica",
            "all replication slots are taken",
        ):
            assert problem in said
        # The command line of this server overrides ALTER SYSTEM.
        server.settings["wal_level"] = "logical"
        fix(
            server,
            said.replace("pg_drop_replication_slot('...')", "pg_drop_replication_slot('taken')"),
        )
        server.restart()
        with following(data, url=url) as follower:
            follower.until_following()
            follower.stop()


def fix(server: EmbeddedPostgres, said: str) -> None:
    """Run the statements that the message shows."""
    run_sql(server, *re.findall(r"^      (\w[^;]*);$", said, flags=re.MULTILINE))


def test_wrong_address(server: EmbeddedPostgres, data: Path) -> None:
    """A wrong password and an unknown database are reported."""
    make_role_with_password(server)
    said = refused(data, url_of(server, ROLE, "wrong-secret"))
    assert "password authentication failed" in said
    assert "wrong-secret" not in said
    assert "password authentication failed" in refused(
        data, url_of(server, ROLE)
    )  # without a password
    assert "does not exist" in refused(data, server.url("nowhere"))


def test_password_and_slot(server: EmbeddedPostgres, data: Path) -> None:
    """The password is written nowhere, and the slot is dropped at the end."""
    make_role_with_password(server)
    url = url_of(server, ROLE, PASSWORD)
    for _ in range(2):
        with following(data, url=url) as follower:
            insert(server.url("mentor"), 1, 1)
            follower.until_message("message 1")
            [[slot]] = run_sql(server, SLOTS)
            assert re.fullmatch(r"mentor_events_[0-9a-f]{10}", str(slot))
            follower.stop()
        assert run_sql(server, SLOTS) == []
        assert_not_written(data, PASSWORD, quote(PASSWORD, safe=""))


def make_role_with_password(server: EmbeddedPostgres) -> None:
    server.require_password(ROLE)
    password = PASSWORD.replace("'", "''")
    run_sql(
        server,
        f"""CREATE ROLE "{ROLE}" LOGIN REPLICATION PASSWORD '{password}' IN ROLE mentor_cdc""",
        "SELECT pg_reload_conf()",
    )


def assert_not_written(data: Path, *secrets: str) -> None:
    """Check stderr, Debezium's log and the kept files for these secrets."""
    for file in data.rglob("*"):
        text = file.read_text(errors="replace") if file.is_file() else ""
        assert not [secret for secret in secrets if secret in text], file


def test_stop_during_start(server: EmbeddedPostgres, data: Path) -> None:
    """No slot remains when the program is stopped while Debezium starts."""
    run_sql(server, "CREATE ROLE mentor_debezium LOGIN REPLICATION IN ROLE mentor_cdc")
    with following(data, url=url_of(server, "mentor_debezium")) as follower:
        follower.until_said("Starting Debezium")
        wait_until(lambda: run_sql(server, SLOTS) != [])
        follower.stop()
    assert run_sql(server, SLOTS) == []


def test_slot_that_remains(server: EmbeddedPostgres, data: Path) -> None:
    """If the server is gone, the slot to drop is named."""
    run_sql(server, "CREATE ROLE mentor_debezium LOGIN REPLICATION IN ROLE mentor_cdc")
    with following(data, url=url_of(server, "mentor_debezium")) as follower:
        follower.until_following()
        [[slot]] = run_sql(server, SLOTS)
        server.stop("immediate")
        follower.process.send_signal(signal.SIGINT)
        assert follower.ended() == 0
        assert f"SELECT pg_drop_replication_slot('{slot}');" in follower.said
