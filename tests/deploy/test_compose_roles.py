"""deploy/compose/roles.sql on a real PostgreSQL: four roles with the least rights."""

import hmac
import os
import re
import subprocess
from base64 import b64decode
from collections.abc import Iterator
from contextlib import closing
from hashlib import pbkdf2_hmac, sha256

import pytest
import yaml
from pg8000.native import Connection, DatabaseError

from dev import paths
from dev.postgres import EmbeddedPostgres
from function.migrate import migrate
from function.settings import load
from tests.conftest import open_connection, select
from tests.instance import ROOT

ROLES = ROOT / "deploy/compose/roles.sql"
PASSWORDS = {
    "OWNER_PASSWORD": r"""o$$w ${HOME} "n'e\r @:/""",
    "FUNCTION_PASSWORD": r"""f$$w ${HOME} "n'e\r :x @:/""",
    "DEBEZIUM_PASSWORD": r"""d w "n'e\r @:/""",  # without a $: deploy/debezium/README.md
    "MONITOR_PASSWORD": r"""m$$w ${HOME} "n'e\r @:/""",
}
INSERT = "INSERT INTO feedback (student_id, perceived_difficulty, strategy_snapshot) VALUES ({})"
ROW = "gen_random_uuid(), 'ok', '{}'"


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    """A server in the state after compose's `migrate`, which runs after the roles are made."""
    with EmbeddedPostgres.temporary() as server:
        server.create_database("mentor")
        apply_roles(server)
        migrate(load({"DATABASE_URL": url(server, "mentor_owner")}))
        yield server


def apply_roles(server: EmbeddedPostgres, **environ: str) -> None:
    psql = paths.postgres_programs() / "psql"
    done = subprocess.run(
        [psql, "--no-psqlrc", "--quiet", f"--file={ROLES}", server.url("mentor")],
        env={**os.environ, **PASSWORDS, **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def url(server: EmbeddedPostgres, role: str) -> str:
    return server.url("mentor").replace("postgres@", f"{role}@")


def connected(server: EmbeddedPostgres, role: str) -> closing[Connection]:
    return closing(open_connection(url(server, role)))


def test_owner(server: EmbeddedPostgres) -> None:
    """The owner can apply the whole schema."""
    with connected(server, "postgres") as connection:
        found = connection.run("SELECT tableowner FROM pg_tables WHERE tablename = 'feedback'")
        assert found == [["mentor_owner"]]
        assert connection.run("SELECT pubname FROM pg_publication") == [["mentor_feedback"]]


def test_function(server: EmbeddedPostgres) -> None:
    """The function can insert and read."""
    with connected(server, "mentor_function") as connection:
        connection.run(INSERT.format(ROW))
        assert connection.run("SELECT count(*) > 0 FROM feedback") == [[True]]


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE feedback SET message = ''",
        "DELETE FROM feedback",
        "TRUNCATE feedback",
        "DROP TABLE feedback",
        "CREATE TABLE mine ()",
        "CREATE ROLE mine",
    ],
)
@pytest.mark.parametrize("role", ["mentor_function", "mentor_debezium"])
def test_forbidden(server: EmbeddedPostgres, role: str, sql: str) -> None:
    """The function and Debezium can do nothing else."""
    with (
        connected(server, role) as connection,
        pytest.raises(DatabaseError, match=r"permission denied|must be owner"),
    ):
        connection.run(sql)


def test_debezium(
    server: EmbeddedPostgres,
) -> None:
    """Debezium can read the table and PostgreSQL's log, and can't insert."""
    with connected(server, "mentor_debezium") as connection:
        connection.run("SELECT * FROM feedback")
        slot = "SELECT pg_create_logical_replication_slot('mine', 'pgoutput', temporary => true)"
        connection.run(slot)
        with pytest.raises(DatabaseError, match="permission denied"):
            connection.run(INSERT.format(ROW))


def test_monitor(server: EmbeddedPostgres) -> None:
    """The exporter's role can run its queries, and can't read feedback."""
    queries = yaml.safe_load((ROOT / "deploy/observe/queries.yml").read_text(encoding="utf-8"))
    with connected(server, "mentor_monitor") as connection:
        found = select(connection, queries["mentor_slot"]["query"])
        names = [name for metric in queries["mentor_slot"]["metrics"] for name in metric]
        assert [[*row] for row in found] == [names]
        assert found[0]["exists"] == 0
        with pytest.raises(DatabaseError, match="permission denied"):
            connection.run("SELECT message FROM feedback")


def test_passwords(
    server: EmbeddedPostgres,
) -> None:
    """Passwords come from the environment, and a second run changes them."""
    apply_roles(server)
    assert has_password(server, "mentor_owner", PASSWORDS["OWNER_PASSWORD"])
    assert has_password(server, "mentor_function", PASSWORDS["FUNCTION_PASSWORD"])
    apply_roles(server, FUNCTION_PASSWORD="another")
    assert has_password(server, "mentor_debezium", PASSWORDS["DEBEZIUM_PASSWORD"])
    assert has_password(server, "mentor_function", "another")
    assert not has_password(server, "mentor_function", PASSWORDS["FUNCTION_PASSWORD"])


@pytest.mark.parametrize("name", ["OWNER_PASSWORD", "FUNCTION_PASSWORD"])
def test_special_characters(name: str) -> None:
    """The function reads passwords with special characters unchanged."""
    environ = {"PGHOST": "postgres", "PGDATABASE": "mentor", "PGUSER": "mentor"}
    assert load({**environ, "PGPASSWORD": PASSWORDS[name]}).postgres.password == PASSWORDS[name]


def has_password(server: EmbeddedPostgres, role: str, password: str) -> bool:
    """Whether PostgreSQL's verifier matches the password; this server asks for no passwords.

    https://www.postgresql.org/docs/current/catalog-pg-authid.html
    """
    with connected(server, "postgres") as connection:
        [[kept]] = connection.run("SELECT rolpassword FROM pg_authid WHERE rolname = :r", r=role)
    _, rounds, salt, stored, _ = re.split("[$:]", kept)
    salted = pbkdf2_hmac("sha256", password.encode(), b64decode(salt), int(rounds))
    key = sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    return key == b64decode(stored)
