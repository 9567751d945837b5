"""What is used of pg8000's insides, and statements behind a pooler.

The greeting of this very PostgreSQL is altered to imply one. A real PgBouncer takes part in
tests/debian.
"""

import json
from collections.abc import Iterator
from contextlib import closing
from types import SimpleNamespace

import pytest
from pg8000.core import FLUSH_MSG

from function.settings import load
from function.store.connection import connect, set_up
from function.store.driver import DatabaseError, Rows, Session
from function.store.faults import describe, sqlstate
from tests.instance import ODD


@pytest.fixture
def session(server_url: str) -> Iterator[Session]:
    with closing(connect(load({"DATABASE_URL": server_url}).postgres, 5)) as opened:
        yield opened


@pytest.fixture
def pooled(session: Session) -> Session:
    """A session that was promised another process than it got, and no time limit so far."""
    session.run("RESET statement_timeout")
    session._backend_key_data = bytes(8)
    set_up(session, 5, "any")
    return session


def run(session: Session, sql: str, parameter: str, seconds: float | None = None) -> Rows:
    """Run a statement as the event loop does, over pg8000's own file."""
    session.prepare_all(sql)
    file = session._sock
    request = session.request(sql, parameter, seconds)
    file.write(request)
    file.flush()
    answer = b""
    while not answer.endswith(b"Z\0\0\0\5I"):
        answer += file.read1(8192)
    try:
        return session.response(sql, answer)
    finally:
        session._sock = file


def limit(session: Session) -> object:
    [[found]] = session.run("SHOW statement_timeout")
    return found


def test_a_session_of_our_own_gets_the_limit(session: Session) -> None:
    assert not session.pooled
    assert limit(session) == "5s"


def test_a_session_that_is_shared_is_known_by_its_process_and_left_as_it_is(
    pooled: Session,
) -> None:
    assert pooled.pooled
    assert limit(pooled) == "0"


def test_a_greeting_without_a_process_is_a_poolers(session: Session) -> None:
    session._backend_key_data = None
    set_up(session, 5, "any")
    assert session.pooled


@pytest.mark.parametrize("kind", ["session", "pooled"])
@pytest.mark.parametrize("text", [ODD, "'" * 5000, "\\", "", "\U0001f600" * 5000])
def test_the_parameter_arrives_as_it_is(
    request: pytest.FixtureRequest, kind: str, text: str
) -> None:
    session = request.getfixturevalue(kind)
    parameter = json.dumps([text], ensure_ascii=False)
    assert run(session, "SELECT $1::jsonb ->> 0", parameter) == [[text]]


def test_the_limit_holds_for_the_statement_and_not_for_the_next(pooled: Session) -> None:
    sql = "SELECT pg_sleep(($1::jsonb ->> 0)::float)"
    set_up(pooled, 0.2, "any")
    with pytest.raises(DatabaseError) as caught:
        run(pooled, sql, "[5]")
    assert sqlstate(caught.value) == "57014"
    assert limit(pooled) == "0"
    assert run(pooled, sql, "[0]") == [[""]]


@pytest.mark.parametrize("kind", ["session", "pooled"])
def test_one_statement_has_a_limit_of_its_own(request: pytest.FixtureRequest, kind: str) -> None:
    session = request.getfixturevalue(kind)
    before = limit(session)
    with pytest.raises(DatabaseError) as caught:
        run(session, "SELECT pg_sleep(($1::jsonb ->> 0)::float)", "[5]", 0.2)
    assert sqlstate(caught.value) == "57014"
    assert limit(session) == before
    assert run(session, "SELECT $1::text", "x", 5) == [["x"]]


def test_pg8000_asks_for_each_answer_in_a_packet_of_its_own_and_the_request_does_not(
    session: Session,
) -> None:
    written: list[bytes] = []
    assert FLUSH_MSG not in session.request("SELECT $1::text", "x")
    session._sock = SimpleNamespace(write=written.append)
    session.send_BIND(b"\0", ("x",))
    session.send_EXECUTE()
    session._sock = session._usock.makefile("rwb")
    assert sum(part is FLUSH_MSG for part in written) == 2


def test_what_pg8000_has_read_too_early_comes_with_the_socket(session: Session) -> None:
    session.send_QUERY("SELECT 1")
    session._sock.flush()
    session._sock.read(1)
    sock, early = session.detach()
    assert early.endswith(b"Z\0\0\0\5I")
    assert not sock.getblocking()


def test_a_text_that_may_quote_a_row_is_not_told(session: Session) -> None:
    with pytest.raises(DatabaseError) as caught:
        session.run("DO $$ BEGIN RAISE 'a secret' USING ERRCODE = '42501'; END $$")
    assert describe(caught.value) == "SQLSTATE 42501"


def test_the_reason_for_which_the_server_ends_the_session_is_told(session: Session) -> None:
    with pytest.raises(DatabaseError) as caught:
        session.run("SELECT pg_terminate_backend(pg_backend_pid())")
    assert describe(caught.value).startswith("SQLSTATE 57P01: terminating connection")
