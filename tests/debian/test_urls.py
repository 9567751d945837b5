"""A connection URL does here what it does in psql, on a server with TLS and passwords."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import quote

import pytest
from pg8000.native import Connection, identifier, literal

from function.settings import load
from function.store.connection import connect
from function.store.driver import CONNECTION_ERRORS, DatabaseError, Session
from tests.debian.server import DebianPostgres

pytestmark = pytest.mark.debian

ODD = "a+b?c#d/e@f:g%h&i=j k"
# The queries, and whether the server takes the connection.
QUERIES = {
    "": True,
    "sslmode=disable": False,
    "sslmode=allow": True,
    "sslmode=prefer": True,
    "sslmode=require": True,
    "ssl=true": True,
    "sslmode=verify-full&sslrootcert={root}": True,
    "sslmode=require&channel_binding=require": True,
    "sslmode=require&channel_binding=disable": True,
    "sslmode=disable&channel_binding=require": False,
    "sslmode=require&options=-c%20work_mem%3D1MB": True,
    "sslmode=require&options=-c%20work_mem%3Dmuch": False,
    "sslmode=require&gssencmode=disable&keepalives=1": True,
    "sslmode=require&host=localhost,localhost&port=1,{port}": True,
    "sslmode=require&host=localhost,localhost&port={port},1": True,
    "sslmode=require&target_session_attrs=read-write": True,
    "sslmode=require&target_session_attrs=primary": True,
    "sslmode=require&options=-c%20default_transaction_read_only%3Don"
    "&target_session_attrs=read-write": False,
}


def psql(url: str) -> bool:
    """Whether psql can run a query there."""
    program = shutil.which("psql")
    assert program, "psql is missing: apt-get install postgresql"
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    command = [program, url, "--no-psqlrc", "--tuples-only", "--command=SELECT 42"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    return done.stdout.strip() == "42"


def ours(url: str) -> Session | None:
    """The function's connection, if it gets one."""
    try:
        return connect(load({"DATABASE_URL": url}).postgres, 5)
    except (DatabaseError, *CONNECTION_ERRORS):
        return None


@pytest.fixture(scope="module")
def odd_role(debian: DebianPostgres) -> Iterator[str]:
    """A role whose name and password have every special character of a URL."""
    with closing(connect(load({"DATABASE_URL": debian.url()}).postgres, 5)) as superuser:
        superuser.run(f"CREATE ROLE {identifier(ODD)} LOGIN PASSWORD {literal(ODD)}")
        yield ODD
        superuser.run(f"DROP ROLE {identifier(ODD)}")


@pytest.mark.parametrize(("query", "works"), QUERIES.items())
def test_a_query_does_what_it_does_in_psql(
    debian: DebianPostgres, odd_role: str, query: str, *, works: bool
) -> None:
    secret = quote(odd_role, safe="")
    server = f"localhost:{debian.port}" if "host=" not in query else ""
    filled = query.format(root=debian.root_certificate, port=debian.port)
    url = f"postgresql://{secret}:{secret}@{server}/postgres?{filled}"
    session = ours(url)
    try:
        assert (psql(url), session is not None) == (works, works)
        if session and "work_mem" in query:
            assert session.run("SHOW work_mem") == [["1MB"]]
    finally:
        if session:
            session.close()


@pytest.mark.parametrize("password", ["a+b", "x#y", "1?z=w", "a:b"])
def test_a_password_need_not_be_encoded_where_psql_needs_no_encoding(
    debian: DebianPostgres, superuser: Connection, password: str
) -> None:
    superuser.run(f"CREATE ROLE plain LOGIN PASSWORD {literal(password)}")
    try:
        place = f"localhost:{debian.port}/postgres?sslmode=require"
        for url in (
            f"postgresql://plain:{password}@{place}",
            (f"postgresql://plain@{place}&password={quote(password, safe='+#?:')}"),
        ):
            session = ours(url)
            assert session
            session.close()
            assert psql(url)
    finally:
        superuser.run("DROP ROLE plain")


def test_prefer_goes_without_tls_where_the_server_refuses_tls(
    debian: DebianPostgres, superuser: Connection
) -> None:
    """As libpq does, for a role that pg_hba.conf lets in without TLS only."""
    superuser.run("CREATE ROLE unencrypted LOGIN PASSWORD 'p'")
    try:
        place = f"postgresql://unencrypted:p@localhost:{debian.port}/postgres"
        for mode, works in {"prefer": True, "allow": True, "require": False}.items():
            session = ours(f"{place}?sslmode={mode}")
            assert (psql(f"{place}?sslmode={mode}"), session is not None) == (works, works)
            if session:
                assert not session.encrypted
                session.close()
    finally:
        superuser.run("DROP ROLE unencrypted")


def test_the_systems_roots(debian: DebianPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """sslrootcert=system trusts the authorities of the system, and checks the host's name."""
    url = debian.url().replace(str(debian.root_certificate), "system")
    assert ours(url) is None
    monkeypatch.setenv("SSL_CERT_FILE", str(debian.root_certificate))
    session = ours(url)
    assert session
    session.close()
    assert ours(url.replace("@localhost:", "@127.0.0.1:")) is None
