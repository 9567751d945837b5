"""`python -m function.migrate`, run as its users run it, against a real PostgreSQL."""

import json
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from pg8000.exceptions import DatabaseError
from pg8000.native import Connection

from function.migrate import ADVISORY_LOCK
from function.postgres import connect, sqlstate
from function.settings import load
from function.table import INSERT, SELECT

ROOT = Path(__file__).parents[2]

ORIGINAL = """
CREATE TYPE difficulty_level AS ENUM ('easy', 'ok', 'hard');
CREATE TABLE feedback (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(), student_id UUID NOT NULL, message TEXT,
    perceived_difficulty difficulty_level NOT NULL, strategy_snapshot JSONB NOT NULL,
    created_at TIMESTAMP NOT NULL DEFAULT now());
CREATE INDEX idx_feedback_student_id ON feedback (student_id);
CREATE INDEX idx_feedback_created_at ON feedback (created_at DESC);
CREATE INDEX idx_feedback_strategy_snapshot ON feedback USING gin (strategy_snapshot);
"""
ORIGINAL_INSERT = """
INSERT INTO feedback (student_id, message, perceived_difficulty, strategy_snapshot)
VALUES (gen_random_uuid(), 'too hard', 'hard', '{"difficulty_weight": 0.5}')
"""
LOCK_TIMEOUT = 1.0  # seconds, in schema.sql
NO_TRACE = "00-00000000000000000000000000000000-0000000000000000-00"

COLUMNS = {
    "id": ("uuid", True, "gen_random_uuid()"),
    "student_id": ("uuid", True, None),
    "task_id": ("text", False, None),
    "message": ("text", False, None),
    "perceived_difficulty": ("difficulty_level", True, None),
    "difficulty_adjustment": ("double precision", False, None),
    "topic_weights": ("jsonb", False, None),
    "sentiment": ("text", False, None),
    "strategy_snapshot": ("jsonb", True, None),
    "created_at": ("timestamp with time zone", True, "now()"),
    "traceparent": ("text", True, f"'{NO_TRACE}'::text"),
}
INDEXES = {
    "feedback_pkey": "USING btree (id)",
    "idx_feedback_student_id": "USING btree (student_id)",
    "idx_feedback_created_at": "USING btree (created_at DESC)",
    "idx_feedback_strategy_snapshot": "USING gin (strategy_snapshot)",
}


@dataclass(frozen=True)
class Run:
    """How the command ended, and its log."""

    code: int
    output: str

    def values(self, event: str, field: str) -> list[Any]:
        lines = [json.loads(line) for line in self.output.splitlines()]
        return [line[field] for line in lines if line["event"] == event]

    @property
    def changes(self) -> list[str]:
        return self.values("schema changed", "change")

    @property
    def left_undone(self) -> list[str]:
        return self.values("left undone", "what")

    @property
    def waits(self) -> list[str]:
        return self.values("waiting", "reason")

    @property
    def was_up_to_date(self) -> bool:
        return self.code == 0 and self.values("schema was up to date", "changes") == [0]


def migrate(url: str, timeout: float = 20) -> Run:
    """Run the job; `timeout` is its MIGRATE_TIMEOUT in seconds."""
    own = {"DATABASE_URL": url, "MIGRATE_TIMEOUT": str(timeout), "LOG_LEVEL": "INFO"}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    done = subprocess.run(
        [sys.executable, "-m", "function.migrate"],
        env=inherited | own,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    return Run(done.returncode, done.stdout)


@contextmanager
def session(url: str) -> Iterator[Connection]:
    connection = connect(load({"DATABASE_URL": url}).postgres, 20)
    try:
        yield connection
    finally:
        connection.close()


def run(url: str, sql: str) -> Any:
    with session(url) as connection:
        return connection.run(sql)


def assert_refused(connection: Connection, sql: str) -> None:
    with pytest.raises(DatabaseError) as raised:
        connection.run(sql)
    assert sqlstate(raised.value) == "42501"


def columns(url: str) -> dict[str, tuple[str, bool, str | None]]:
    rows = run(
        url,
        """SELECT attname, format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid)
           FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
           WHERE attrelid = 'feedback'::regclass AND attnum > 0 AND NOT attisdropped""",
    )
    return {name: (kind, required, default) for name, kind, required, default in rows}


def indexes(url: str) -> dict[str, str]:
    rows = run(
        url,
        """SELECT indexrelid::regclass::text, substring(pg_get_indexdef(indexrelid) FROM 'USING.*')
           FROM pg_index WHERE indrelid = 'feedback'::regclass AND indisvalid""",
    )
    return dict(rows)


def files(url: str) -> dict[str, int]:
    """The file on disk of the table and of each index: a rewrite makes a new one."""
    return dict(
        run(
            url,
            """SELECT oid::regclass::text, relfilenode FROM pg_class
               WHERE oid = 'feedback'::regclass OR oid IN (
                   SELECT indexrelid FROM pg_index WHERE indrelid = 'feedback'::regclass)""",
        )
    )


def address(url: str, **parts: str) -> str:
    """The URL with another user, password, host and port or database."""
    netloc = urlsplit(url).netloc
    login, _, server = netloc.rpartition("@")
    login, server = parts.get("login", login), parts.get("server", server)
    path = parts.get("database", urlsplit(url).path.removeprefix("/"))
    return urlsplit(url)._replace(netloc=f"{login}@{server}", path=f"/{path}").geturl()


@pytest.fixture
def group_roles_missing(server_url: str) -> Iterator[None]:
    """Roles are the cluster's, and other databases may need them: they get out of the way."""
    names = ("mentor_writer", "mentor_cdc")
    known = [row[0] for row in run(server_url, "SELECT rolname FROM pg_roles")]
    moved = [name for name in names if name in known]
    for name in moved:
        run(server_url, f"ALTER ROLE {name} RENAME TO {name}_aside")
    yield
    for name in names:
        run(server_url, f"DROP ROLE IF EXISTS {name}")
    for name in moved:
        run(server_url, f"ALTER ROLE {name}_aside RENAME TO {name}")


@pytest.fixture
def plain_role(server_url: str) -> Iterator[tuple[str, str]]:
    """A role that may log in and nothing else: its name, and its login for a URL."""
    name, password = f"plain_{secrets.token_hex(4)}", secrets.token_hex(8)
    run(server_url, f"CREATE ROLE {name} LOGIN PASSWORD '{password}'")
    yield name, f"{name}:{password}"
    run(server_url, f"DROP ROLE {name}")


@contextmanager
def gate(url: str, opens_after: float, refusals: list[tuple[str, str]]) -> Iterator[str]:
    """A port before the server: shut at first, then it answers with `refusals`, then lets pass."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        opening = threading.Timer(opens_after, _open_gate, (listener, url, refusals))
        opening.start()
        server = f"127.0.0.1:{listener.getsockname()[1]}"
        yield urlsplit(address(url, server=server))._replace(query="sslmode=disable").geturl()
        opening.cancel()
        with suppress(OSError):  # it never opened
            listener.shutdown(socket.SHUT_RDWR)
    opening.join()


def _open_gate(listener: socket.socket, url: str, refusals: list[tuple[str, str]]) -> None:
    parts = urlsplit(url)
    listener.listen()
    with suppress(OSError):  # the test is over
        for state, text in refusals:
            with listener.accept()[0] as client:
                client.recv(4096)
                fields = f"SFATAL\0VFATAL\0C{state}\0M{text}\0\0".encode()
                client.sendall(b"E" + (len(fields) + 4).to_bytes(4, "big") + fields)
        with (
            listener.accept()[0] as client,
            socket.create_connection((parts.hostname, parts.port or 5432)) as server,
            ThreadPoolExecutor(1) as pool,
        ):
            pool.submit(_copy, server, client)
            _copy(client, server)


def _copy(source: socket.socket, sink: socket.socket) -> None:
    while data := source.recv(65536):
        sink.sendall(data)
    sink.shutdown(socket.SHUT_WR)


# An empty database, and one that is up to date


def test_an_empty_database_gets_the_whole_schema(database: str) -> None:
    done = migrate(database)
    assert done.code == 0, done.output
    assert "created the table feedback" in done.changes
    assert done.left_undone == []
    assert columns(database) == COLUMNS
    assert indexes(database) == INDEXES
    levels = run(database, "SELECT unnest(enum_range(NULL::difficulty_level))::text")
    assert levels == [["easy"], ["ok"], ["hard"]]


def test_a_second_run_says_up_to_date_and_waits_for_no_lock(database: str) -> None:
    migrate(database)
    with session(database) as other:
        other.run("BEGIN; LOCK TABLE feedback IN ACCESS EXCLUSIVE MODE")
        again = migrate(database, timeout=2)
    assert again.was_up_to_date, again.output
    assert again.waits == []


def test_ten_jobs_at_once_share_the_work(database: str) -> None:
    with ThreadPoolExecutor(10) as pool:
        done = list(pool.map(migrate, [database] * 10))
    assert [run.code for run in done] == [0] * 10, done
    changes = [change for run in done for change in run.changes]
    assert changes.count("created the table feedback") == 1
    assert len(changes) == len(set(changes))


def test_a_job_that_finds_another_at_work_waits_up_to_the_limit(database: str) -> None:
    with session(database) as other:
        other.run(f"SELECT pg_advisory_lock({ADVISORY_LOCK})")
        done = migrate(database, timeout=0.5)
    assert done.code == 1
    assert "another migration of this database is under way" in done.output


def test_two_databases_of_one_cluster_can_be_migrated_at_once(
    group_roles_missing: None, server_url: str, database: str
) -> None:
    second = f"second_{secrets.token_hex(4)}"
    run(server_url, f"CREATE DATABASE {second}")
    try:
        with ThreadPoolExecutor(2) as pool:
            urls = [database, address(database, database=second)]
            done = list(pool.map(migrate, urls))
        assert [run.code for run in done] == [0, 0], done
        assert [run.left_undone for run in done] == [[], []]
    finally:
        run(server_url, f"DROP DATABASE {second} WITH (FORCE)")


def test_an_index_that_an_interrupted_run_left_invalid_is_built_again(database: str) -> None:
    migrate(database)
    run(
        database,
        "UPDATE pg_index SET indisvalid = false"
        " WHERE indexrelid = 'idx_feedback_student_id'::regclass",
    )
    done = migrate(database)
    assert done.code == 0, done.output
    assert indexes(database) == INDEXES


# The original service's database


@pytest.mark.parametrize("rows", [0, 3])
@pytest.mark.parametrize("kind", ["TIMESTAMP", "TIMESTAMPTZ"])
def test_the_originals_table_is_upgraded_in_place(database: str, kind: str, rows: int) -> None:
    run(database, ORIGINAL.replace("TIMESTAMP", kind))
    for _ in range(rows):
        run(database, ORIGINAL_INSERT)
    data = "SELECT id, student_id, message, strategy_snapshot, created_at::text FROM feedback"
    before, files_before = run(database, f"SET timezone = 'UTC'; {data}"), files(database)
    done = migrate(database)
    assert done.code == 0, done.output
    assert columns(database) == COLUMNS
    assert indexes(database) == INDEXES
    after = run(database, f"SET timezone = 'UTC'; {data}")
    assert [row[:4] for row in after] == [row[:4] for row in before]
    assert [row[4].removesuffix("+00") for row in after] == [
        row[4].removesuffix("+00") for row in before
    ]
    added = run(
        database,
        "SELECT DISTINCT task_id, difficulty_adjustment, topic_weights, sentiment, traceparent"
        " FROM feedback",
    )
    assert added == ([[None, None, None, None, NO_TRACE]] if rows else [])
    rewritten = {name for name, file in files(database).items() if files_before[name] != file}
    # An index on TIMESTAMP is of no use to TIMESTAMPTZ; nothing else is written anew.
    anew = ["idx_feedback_created_at"] if kind == "TIMESTAMP" else []
    assert rewritten == set(anew)
    # And not under the table's lock.
    built = [change.split()[3] for change in done.changes if "INDEX CONCURRENTLY" in change]
    assert built == anew
    assert migrate(database).was_up_to_date


def test_the_sessions_time_zone_moves_no_timestamp(database: str) -> None:
    run(database, ORIGINAL)
    run(database, ORIGINAL_INSERT)
    run(database, "UPDATE feedback SET created_at = '2026-02-16 10:12:45.123456'")
    name = urlsplit(database).path.removeprefix("/")
    run(database, f"""ALTER DATABASE "{name}" SET timezone = 'Asia/Tokyo'""")
    before = files(database)["feedback"]
    assert migrate(database).code == 0
    stored = run(database, "SELECT (created_at AT TIME ZONE 'UTC')::text FROM feedback")
    assert stored == [["2026-02-16 10:12:45.123456"]]
    assert files(database)["feedback"] == before


@contextmanager
def inserting(url: str) -> Iterator[list[float]]:
    """The original at work: how long each of its inserts took, in seconds."""
    durations: list[float] = []
    stop = threading.Event()

    def insert() -> None:
        with session(url) as connection:
            while not stop.is_set():
                start = time.monotonic()
                connection.run(ORIGINAL_INSERT)
                durations.append(time.monotonic() - start)

    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(insert)
        try:
            yield durations
        finally:
            stop.set()
            writer.result()


def test_the_originals_inserts_go_on_while_the_job_waits_for_a_long_transaction(
    database: str,
) -> None:
    run(database, ORIGINAL)
    run(
        database,
        "INSERT INTO feedback (student_id, perceived_difficulty, strategy_snapshot)"
        """ SELECT gen_random_uuid(), 'ok', '{"a": 1}' FROM generate_series(1, 50000)""",
    )
    with (
        inserting(database) as durations,
        session(database) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        other.run("BEGIN; SELECT count(*) FROM feedback")
        job = pool.submit(migrate, database)
        time.sleep(2.5)
        assert not job.done()
        other.run("COMMIT")
        done = job.result()
    assert done.code == 0, done.output
    assert "A transaction holds the table" in done.waits[0]
    assert max(durations) < LOCK_TIMEOUT + 0.7
    assert columns(database) == COLUMNS
    assert indexes(database) == INDEXES
    assert run(database, "SELECT count(*) FROM feedback") == [[50000 + len(durations)]]


def test_a_transaction_that_never_ends_is_named_as_the_reason(database: str) -> None:
    run(database, ORIGINAL)
    with session(database) as other:
        other.run("BEGIN; SELECT count(*) FROM feedback")
        done = migrate(database, timeout=1.5)
    assert done.code == 1
    assert "A transaction holds the table" in done.output
    assert "task_id" not in columns(database)


def test_what_depends_on_created_at_is_named_and_nothing_is_half_done(database: str) -> None:
    run(database, ORIGINAL)
    run(database, "CREATE VIEW latest AS SELECT max(created_at) FROM feedback")
    before = columns(database), files(database)
    done = migrate(database)
    assert done.code == 1
    assert "view latest depends on column" in done.output
    assert (columns(database), files(database)) == before


def test_a_table_of_something_else_is_left_alone(database: str) -> None:
    run(database, "CREATE TABLE feedback (stars INTEGER)")
    done = migrate(database)
    assert done.code == 1
    assert "has not the columns of the mentor service" in done.output
    assert set(columns(database)) == {"stars"}


def test_a_publication_of_more_than_inserts_is_narrowed(database: str) -> None:
    run(database, "CREATE PUBLICATION mentor_feedback")
    assert migrate(database).code == 0
    published = "SELECT pubinsert, pubupdate, pubdelete, pubtruncate FROM pg_publication"
    assert run(database, published) == [[True, False, False, False]]
    tables = run(database, "SELECT schemaname, tablename FROM pg_publication_tables")
    assert tables == [["public", "feedback"]]


# A server that is late, or missing


def test_a_server_that_starts_late_is_waited_for(database: str) -> None:
    starting = [("57P03", "the database system is starting up")]
    with gate(database, 0.7, starting) as url:
        done = migrate(url)
    assert done.code == 0, done.output
    assert "Connection refused" in done.waits[0]
    assert "the database system is starting up" in done.waits[-1]


def test_a_database_that_is_made_a_moment_later_is_waited_for(
    server_url: str, database: str
) -> None:
    late = f"late_{secrets.token_hex(4)}"
    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(migrate, address(database, database=late))
        time.sleep(0.7)
        run(server_url, f"CREATE DATABASE {late}")
        done = job.result()
    run(server_url, f"DROP DATABASE {late} WITH (FORCE)")
    assert done.code == 0, done.output
    assert f'database "{late}" does not exist' in done.waits[0]


def test_a_server_that_never_comes_is_reported_at_the_limit(database: str) -> None:
    with gate(database, 60, []) as url:
        start = time.monotonic()
        done = migrate(url, timeout=1)
    assert done.code == 1
    assert time.monotonic() - start < 3
    assert f"no connection to PostgreSQL at {urlsplit(url).hostname}" in done.output


def test_a_refused_login_is_reported_without_the_password(database: str) -> None:
    refused = ("28P01", 'password authentication failed for user "mentor"')
    with gate(database, 0, [refused] * 100) as url:
        done = migrate(address(url, login="mentor:s3cr3t"), timeout=0.5)
    assert done.code == 1
    assert 'password authentication failed for user \\"mentor\\"' in done.output
    assert "s3cr3t" not in done.output


def test_a_missing_role_is_reported(database: str) -> None:
    done = migrate(address(database, login="nobody_here:s3cr3t"), timeout=0.5)
    assert done.code == 1
    assert "nobody_here" in done.output
    assert "s3cr3t" not in done.output


def test_a_wrong_configuration_ends_with_code_2() -> None:
    assert migrate("mysql://root@db/mentor").code == 2


# Rights


def test_a_role_without_special_rights_migrates_all_but_the_group_roles(
    group_roles_missing: None, plain_role: tuple[str, str], database: str
) -> None:
    role, login = plain_role
    name = urlsplit(database).path.removeprefix("/")
    run(database, f"GRANT CREATE ON SCHEMA public TO {role}")
    run(database, f'GRANT CREATE ON DATABASE "{name}" TO {role}')
    done = migrate(address(database, login=login))
    assert done.code == 0, done.output
    assert [text.partition(":")[0] for text in done.left_undone] == [
        "could not create the role mentor_writer",
        "could not create the role mentor_cdc",
    ]
    assert "CREATE ROLE mentor_writer NOLOGIN" in done.output
    assert (columns(database), indexes(database)) == (COLUMNS, INDEXES)
    again = migrate(address(database, login=login))
    assert again.was_up_to_date
    assert again.left_undone == done.left_undone

    run(database, "CREATE ROLE mentor_writer NOLOGIN; CREATE ROLE mentor_cdc NOLOGIN")
    third = migrate(address(database, login=login))
    assert third.left_undone == []
    assert "granted INSERT on TABLE feedback to mentor_writer" in third.changes


def test_a_role_that_may_not_publish_says_which_grant_it_lacks(
    plain_role: tuple[str, str], database: str
) -> None:
    role, login = plain_role
    run(database, f"ALTER SCHEMA public OWNER TO {role}")
    done = migrate(address(database, login=login))
    assert done.code == 0, done.output
    assert "could not set up the publication" in done.output
    assert f"GRANT CREATE ON DATABASE {urlsplit(database).path[1:]} TO {role}" in done.output
    assert (columns(database), indexes(database)) == (COLUMNS, INDEXES)


def test_a_role_that_may_not_create_in_the_schema_is_told_the_grant(
    plain_role: tuple[str, str], database: str
) -> None:
    run(database, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    done = migrate(address(database, login=plain_role[1]))
    assert done.code == 1
    assert "permission denied for schema public" in done.output
    assert "GRANT CREATE ON SCHEMA public" in done.output


def test_a_role_that_does_not_own_the_originals_table_changes_nothing(
    plain_role: tuple[str, str], database: str
) -> None:
    run(database, ORIGINAL)
    before = columns(database), files(database)
    done = migrate(address(database, login=plain_role[1]))
    assert done.code == 1
    assert "must be owner of" in done.output
    assert "must own the table" in done.output
    assert (columns(database), files(database)) == before


def test_a_role_that_owns_nothing_may_run_the_job_on_a_schema_that_is_up_to_date(
    plain_role: tuple[str, str], database: str
) -> None:
    migrate(database)
    assert migrate(address(database, login=plain_role[1])).was_up_to_date


def test_a_read_only_server_is_named_as_the_reason(database: str) -> None:
    name = urlsplit(database).path.removeprefix("/")
    run(database, f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    done = migrate(database)
    assert done.code == 1
    assert "DATABASE_URL must name the primary" in done.output


def test_mentor_writer_runs_the_functions_statements_and_no_others(database: str) -> None:
    migrate(database)
    row = {
        "id": str(uuid4()),
        "student_id": str(uuid4()),
        "message": "too hard",
        "perceived_difficulty": "hard",
        "strategy_snapshot": {},
        "traceparent": NO_TRACE,
    }
    with session(database) as connection:
        connection.run("SET ROLE mentor_writer")
        for _ in range(2):
            connection.prepare(INSERT).run(entries=json.dumps([row]))
        assert len(connection.prepare(SELECT).run(ids=json.dumps([row["id"]]))) == 1
        assert_refused(connection, "UPDATE feedback SET message = ''")
        assert_refused(connection, "DELETE FROM feedback")
        assert_refused(connection, "TRUNCATE feedback")
        assert_refused(connection, "ALTER TABLE feedback ADD COLUMN more TEXT")
        assert_refused(connection, "CREATE INDEX ON feedback (message)")


def test_mentor_cdc_reads_and_writes_nothing(database: str) -> None:
    migrate(database)
    with session(database) as connection:
        connection.run("SET ROLE mentor_cdc")
        assert connection.run("SELECT * FROM feedback") == []
        assert_refused(connection, ORIGINAL_INSERT)
