"""The function behind PgBouncer: in transaction mode, with prepared statements and without."""

import json
import re
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from pg8000.native import Connection

from tests.conftest import open_connection, select
from tests.debian.conftest import WRITER, WRITERS_PASSWORD
from tests.debian.pgbouncer import PgBouncer, Program, pooler
from tests.debian.server import PASSWORD, DebianPostgres
from tests.instance import FEEDBACK, ODD, PATH, Answer, Instance, running
from tests.llm.reanalysis import run
from tests.llm.server import answers, serving
from tests.migrate.job import migrate
from tests.waiting import wait_until

pytestmark = pytest.mark.debian

USERS = {WRITER: WRITERS_PASSWORD, "postgres": PASSWORD}
SHARED = {
    "transaction, as Debian has it": ("own", {"pool_mode": "transaction"}),
    "transaction, prepared statements": (
        "newer",
        {"pool_mode": "transaction", "max_prepared_statements": "200"},
    ),
    "transaction, no prepared statements": (
        "newer",
        {"pool_mode": "transaction", "max_prepared_statements": "0"},
    ),
    "statement": ("newer", {"pool_mode": "statement"}),
}
MODES = {**SHARED, "session": ("newer", {"pool_mode": "session"})}
POOL_SIZE = 2
INSTANCES = 5


@pytest.fixture
def any_pooler(
    request: pytest.FixtureRequest, debian: DebianPostgres, pgbouncers: dict[str, Program]
) -> Iterator[PgBouncer]:
    """In the mode that the test names."""
    program, settings = MODES[request.param]
    with pooler(pgbouncers[program], debian) as bouncer:
        bouncer.configure(USERS, default_pool_size=str(POOL_SIZE), **settings).start()
        yield bouncer


@pytest.fixture
def bouncer(debian: DebianPostgres, pgbouncers: dict[str, Program]) -> Iterator[PgBouncer]:
    """In transaction mode, with one connection, which all have to share."""
    with pooler(pgbouncers["own"], debian) as found:
        found.configure(USERS, pool_mode="transaction", default_pool_size="1").start()
        yield found


@pytest.fixture
def function(bouncer: PgBouncer, tmp_path: Path) -> Iterator[Instance]:
    url = bouncer.url(WRITER, WRITERS_PASSWORD)
    with running(tmp_path / "log", url, DATABASE_TIMEOUT="4") as instance:
        yield instance.wait_until_ready()


@pytest.fixture
def student() -> str:
    return str(uuid.uuid4())


def post(function: Instance, student: str, message: str = "too hard", key: str = "") -> Answer:
    body = json.dumps({**FEEDBACK, "student_id": student, "message": message}).encode()
    return function.request("POST", PATH, body, {"Idempotency-Key": key} if key else {})


def messages(superuser: Connection, student: str) -> list[str]:
    sql = "SELECT message FROM feedback WHERE student_id = :it ORDER BY id"
    return [row["message"] for row in select(superuser, sql, it=student)]


@pytest.mark.parametrize("any_pooler", MODES, indirect=True)
def test_feedback_is_stored_once_and_repeats_are_answered(
    any_pooler: PgBouncer, superuser: Connection, tmp_path: Path, student: str
) -> None:
    with running(tmp_path / "log", any_pooler.url(WRITER, WRITERS_PASSWORD)) as function:
        function.wait_until_ready()
        for number in range(20):
            assert post(function, student, f"{number}", key=f"{number}").status == 200
        repeated = post(function, student, "7", key="7")
        assert (repeated.status, repeated.headers["idempotency-replayed"]) == (200, "true")
        assert post(function, student, "another", key="7").status == 422
        assert function.terminate() == 0
        [connected] = [it for it in function.events() if it["event"] == "database connected"]
        assert connected["pooled"] is True
    assert sorted(messages(superuser, student), key=int) == [f"{number}" for number in range(20)]


@pytest.mark.parametrize("any_pooler", SHARED, indirect=True)
def test_more_instances_than_connections_work_at_the_same_time(
    any_pooler: PgBouncer, superuser: Connection, tmp_path: Path, student: str
) -> None:
    url = any_pooler.url(WRITER, WRITERS_PASSWORD)
    with ExitStack() as stack, ThreadPoolExecutor(40) as pool:
        functions = [
            stack.enter_context(running(tmp_path / f"log {number}", url))
            for number in range(INSTANCES)
        ]
        for function in functions:
            function.wait_until_ready()
        answers = pool.map(lambda it: post(functions[it % INSTANCES], student, f"{it}"), range(400))
        assert [answer.status for answer in answers] == [200] * 400
        assert len(messages(superuser, student)) == 400
        [[used]] = superuser.run(
            "SELECT count(*) FROM pg_stat_activity WHERE usename = :user", user=WRITER
        )
        assert 1 <= used <= POOL_SIZE
    for number in range(INSTANCES):
        assert "database unavailable" not in (tmp_path / f"log {number}").read_text()


def test_no_message_gets_out_of_its_place(
    function: Instance, superuser: Connection, student: str
) -> None:
    texts = [ODD, "'" * 5000, "\\" * 5000, "\U0001f600" * 5000]
    for text in texts:
        assert post(function, student, text).status == 200
    assert messages(superuser, student) == texts


def test_a_statement_that_waits_is_cancelled_and_no_one_else_gets_its_limit(
    function: Instance,
    bouncer: PgBouncer,
    debian: DebianPostgres,
    superuser: Connection,
    student: str,
) -> None:
    superuser.run("BEGIN; LOCK TABLE feedback")
    try:
        assert post(function, student, key="1").status == 503
    finally:
        superuser.run("ROLLBACK")
    assert "57014" in function.log  # by PostgreSQL, half-way to the function's own deadline
    assert post(function, student, key="1").status == 200
    with closing(open_connection(bouncer.url(WRITER, WRITERS_PASSWORD))) as neighbour:
        assert neighbour.run("SHOW statement_timeout") == [["0"]]
    assert messages(superuser, student) == ["too hard"]
    assert "STATEMENT:" in debian.log
    assert not re.search("too hard|[A-Za-z0-9+/]{200}", debian.log)  # not in base64 either


def test_rows_that_wait_cost_their_neighbors_no_answer(
    function: Instance, debian: DebianPostgres, student: str
) -> None:
    """Another transaction holds the lock of one student, for which the trigger waits."""
    held = str(uuid.uuid4())
    students = [held if number % 10 == 5 else student for number in range(60)]
    with closing(open_connection(debian.url())) as superuser, ThreadPoolExecutor(30) as pool:
        superuser.run(TRIGGER)
        try:
            superuser.run("BEGIN")
            superuser.run(f"SELECT pg_advisory_xact_lock(hashtext('{held}'))")
            answers = list(pool.map(lambda it: post(function, it), students))
        finally:
            superuser.run("ROLLBACK")
            superuser.run("DROP FUNCTION take_turns CASCADE")
    expected = [503 if it == held else 200 for it in students]
    assert [answer.status for answer in answers] == expected


TRIGGER = """
CREATE FUNCTION take_turns() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext(NEW.student_id::text));
    RETURN NEW;
END $$;
CREATE TRIGGER take_turns BEFORE INSERT ON feedback FOR EACH ROW EXECUTE FUNCTION take_turns();
"""


@pytest.mark.parametrize("part", ["pgbouncer", "postgresql"])
def test_a_restart_under_load_loses_nothing_and_doubles_nothing(
    part: str,
    function: Instance,
    bouncer: PgBouncer,
    debian: DebianPostgres,
    tmp_path: Path,
    student: str,
) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda it: paced(function, student, it), range(200))
        time.sleep(0.3)
        restart(bouncer if part == "pgbouncer" else debian)
        statuses = [answer.status for answer in answers]
    assert statuses == [200] * 200
    with closing(open_connection(debian.url())) as superuser:
        assert sorted(messages(superuser, student), key=int) == [f"{it}" for it in range(200)]


def paced(function: Instance, student: str, number: int) -> Answer:
    time.sleep(0.03)
    return post(function, student, f"{number}")


def restart(part: PgBouncer | DebianPostgres) -> None:
    part.stop()
    part.start()


def test_while_postgresql_is_away_the_function_says_so_and_goes_on_after_it(
    function: Instance, debian: DebianPostgres, student: str
) -> None:
    debian.stop()
    try:
        assert post(function, student, key="1").status == 503
        assert function.get("/health/ready").status == 503
    finally:
        debian.start()
    wait_until(lambda: function.get("/health/ready").status == 200)
    assert post(function, student, key="1").status == 200


def test_without_the_table_it_is_not_ready(
    function: Instance, superuser: Connection, student: str
) -> None:
    superuser.run("ALTER TABLE feedback RENAME TO elsewhere")
    try:
        wait_until(lambda: function.get("/health/ready").status == 503)
        assert post(function, student, key="1").status == 503
        assert function.get("/health/ready").status == 503
        assert "run the migrate job" in function.log
    finally:
        superuser.run("ALTER TABLE elsewhere RENAME TO feedback")
    wait_until(lambda: function.get("/health/ready").status == 200)


def test_the_reanalysis_refuses_to_work_there_and_asks_nothing(bouncer: PgBouncer) -> None:
    with serving(answers()) as model:
        code, [line] = run(bouncer.url("postgres", PASSWORD), model)
    assert (code, model.requests) == (1, [])
    assert "name PostgreSQL itself" in line["reason"]


def test_the_migrate_job_refuses_to_work_there_and_says_where_to_go(bouncer: PgBouncer) -> None:
    started = time.monotonic()
    done = migrate(bouncer.url("postgres", PASSWORD))
    assert done.code == 1
    assert "DATABASE_URL leads to a pooler" in done.output
    assert time.monotonic() - started < 4  # at once, for this won't pass by itself
