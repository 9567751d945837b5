"""The way to PostgreSQL: passwords, files of credentials, sockets, TLS and time limits."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from dev.postgres import EmbeddedPostgres
from function.postgres_settings import PostgresSettings
from function.settings import load
from function.store.connection import connect
from function.store.driver import CONNECTION_ERRORS, Connection, DatabaseError
from function.store.faults import describe
from tests.conftest import open_connection


def settings(url: str, **environ: str) -> PostgresSettings:
    return load({"DATABASE_URL": url, **environ}).postgres


def who(connection: Connection) -> object:
    with closing(connection):
        [[user]] = connection.run("SELECT current_user")
        return user


@pytest.fixture
def scram_url(own_postgres: EmbeddedPostgres) -> str:
    """A server that demands SCRAM of the roles `first` and `second`; no user in the URL."""
    with closing(open_connection(own_postgres.url())) as connection:
        for role in ("first", "second"):
            connection.run(f"CREATE ROLE {role} LOGIN PASSWORD '{role} s3cret'")
            own_postgres.require_password(role)
        connection.run("SELECT pg_reload_conf()")
    return f"postgresql://127.0.0.1:{own_postgres.port}/postgres"


def test_a_scram_password_opens_the_door(scram_url: str) -> None:
    allowed = settings(scram_url, PGUSER="first", PGPASSWORD="first s3cret")
    assert who(connect(allowed, 5)) == "first"


def test_a_wrong_password_is_told_without_the_password(scram_url: str) -> None:
    with pytest.raises(DatabaseError) as caught:
        connect(settings(scram_url, PGUSER="first", PGPASSWORD="wr0ng"), 5)
    assert describe(caught.value).startswith("SQLSTATE 28P01: password authentication failed")
    assert "wr0ng" not in describe(caught.value)


def test_rotated_credentials_are_read_at_the_next_connection(
    scram_url: str, tmp_path: Path
) -> None:
    rotating = settings(scram_url, PG_CREDENTIALS_DIR=str(tmp_path))
    for role in ("first", "second"):
        (tmp_path / "username").write_text(f"{role}\n")
        (tmp_path / "password").write_text(f"{role} s3cret\n")
        assert who(connect(rotating, 5)) == role


def test_a_folder_without_a_username_is_no_connection(tmp_path: Path) -> None:
    with pytest.raises(CONNECTION_ERRORS, match="no username"):
        connect(settings("postgresql://127.0.0.1/m", PG_CREDENTIALS_DIR=str(tmp_path)), 5)


def test_a_password_keeps_its_spaces_and_loses_the_end_of_its_line(
    own_postgres: EmbeddedPostgres, scram_url: str, tmp_path: Path
) -> None:
    with closing(open_connection(own_postgres.url())) as connection:
        connection.run("ALTER ROLE first PASSWORD ' s3cret '")
    (tmp_path / "username").write_text("first\r\n")
    (tmp_path / "password").write_text(" s3cret \n")
    assert who(connect(settings(scram_url, PG_CREDENTIALS_DIR=str(tmp_path)), 5)) == "first"


@pytest.mark.parametrize("password", [b"gr\xfcn", "\U0001f600".encode(), b"a\tb"])
def test_a_password_that_cannot_be_used_is_no_connection_and_not_told(
    scram_url: str, tmp_path: Path, password: bytes
) -> None:
    (tmp_path / "username").write_text("first")
    (tmp_path / "password").write_bytes(password)
    with pytest.raises(CONNECTION_ERRORS, match=r"not UTF-8|SCRAM") as caught:
        connect(settings(scram_url, PG_CREDENTIALS_DIR=str(tmp_path)), 5)
    assert password.decode(errors="replace") not in describe(caught.value)


class Front:
    """Takes connections as a server with or without TLS does, and passes them on to PostgreSQL.

    The embedded PostgreSQL is built without TLS.
    """

    def __init__(self, target: str, listener: socket.socket, context: ssl.SSLContext | None):
        parts = urlsplit(target)
        self._target = (parts.hostname or "", parts.port or 0)
        self._listener = listener
        self._context = context
        self._tls = False
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def encrypted(self) -> bool:
        """Whether the last connection was."""
        return self._tls

    def _serve(self) -> None:
        with suppress(OSError):  # the listener was shut down: the test is over
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._answer, args=(client,), daemon=True).start()

    def _answer(self, client: socket.socket) -> None:
        self._tls = False
        with (
            suppress(OSError),
            closing(self._greet(client)) as greeted,
            socket.create_connection(self._target) as server,
        ):
            back = threading.Thread(target=_pump, args=(server, greeted), daemon=True)
            back.start()
            _pump(greeted, server)
            back.join()

    def _greet(self, client: socket.socket) -> socket.socket:
        if self._listener.family == socket.AF_UNIX:
            return client
        client.recv(8)  # the request for TLS
        client.sendall(b"S" if self._context else b"N")
        if not self._context:
            return client
        encrypted = self._context.wrap_socket(client, server_side=True)
        self._tls = True
        return encrypted


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):  # the other side is gone
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def root_certificate(authority: trustme.CA, tmp_path: Path) -> str:
    file = tmp_path / "root.crt"
    authority.cert_pem.write_to_path(str(file))
    return str(file)


def login(server_url: str) -> str:
    """The user of a URL, with a password where the server wants one."""
    return urlsplit(server_url).netloc.rpartition("@")[0]


def front(server_url: str, context: ssl.SSLContext | None) -> Iterator[tuple[Front, str]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        url = f"postgresql://{login(server_url)}@localhost:{port}/postgres"
        yield Front(server_url, listener, context), url
        listener.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def tls(server_url: str, authority: trustme.CA) -> Iterator[tuple[Front, str]]:
    """A server with TLS and a certificate for localhost."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    yield from front(server_url, context)


@pytest.fixture
def plain(server_url: str) -> Iterator[tuple[Front, str]]:
    """A server without TLS."""
    yield from front(server_url, None)


@pytest.mark.parametrize("mode", ["prefer", "require", "verify-ca", "verify-full"])
def test_a_server_with_tls_is_spoken_to_in_tls(
    tls: tuple[Front, str], root_certificate: str, mode: str
) -> None:
    server, url = tls
    trusted = settings(url, PGSSLMODE=mode, PGSSLROOTCERT=root_certificate)
    assert who(connect(trusted, 5)) == "postgres"
    assert server.encrypted


def test_prefer_goes_on_without_tls_and_require_does_not(plain: tuple[Front, str]) -> None:
    server, url = plain
    assert who(connect(settings(url, PGSSLMODE="prefer"), 5)) == "postgres"
    assert not server.encrypted
    with pytest.raises(CONNECTION_ERRORS, match="offers no TLS"):
        connect(settings(url, PGSSLMODE="require"), 5)


def test_a_certificate_of_another_authority_is_refused(
    tls: tuple[Front, str], tmp_path: Path
) -> None:
    stranger = tmp_path / "stranger.crt"
    trustme.CA().cert_pem.write_to_path(str(stranger))
    with pytest.raises(ssl.SSLCertVerificationError):
        connect(settings(tls[1], PGSSLMODE="verify-ca", PGSSLROOTCERT=str(stranger)), 5)


def test_only_verify_full_minds_the_name(tls: tuple[Front, str], root_certificate: str) -> None:
    url = tls[1].replace("localhost", "127.0.0.1")
    lenient = settings(url, PGSSLMODE="verify-ca", PGSSLROOTCERT=root_certificate)
    assert who(connect(lenient, 5)) == "postgres"
    strict = settings(url, PGSSLMODE="verify-full", PGSSLROOTCERT=root_certificate)
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        connect(strict, 5)


def test_the_clients_own_certificate_is_shown(
    server_url: str, authority: trustme.CA, root_certificate: str, tmp_path: Path
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    mine = authority.issue_cert("client@example.org")
    mine.cert_chain_pems[0].write_to_path(str(tmp_path / "client.crt"))
    mine.private_key_pem.write_to_path(str(tmp_path / "client.key"))
    certificate = {
        "PGSSLCERT": str(tmp_path / "client.crt"),
        "PGSSLKEY": str(tmp_path / "client.key"),
    }
    for _, url in front(server_url, context):
        strict = {"PGSSLMODE": "verify-full", "PGSSLROOTCERT": root_certificate}
        assert who(connect(settings(url, **strict, **certificate), 5)) == "postgres"
        with pytest.raises(CONNECTION_ERRORS):
            connect(settings(url, **strict), 5)


def test_nobody_is_asked_for_the_password_of_an_encrypted_key(
    tls: tuple[Front, str], tmp_path: Path
) -> None:
    """The process would wait at its terminal."""
    mine = trustme.CA().issue_cert("client@example.org")
    key = load_pem_private_key(mine.private_key_pem.bytes(), None)
    mine.cert_chain_pems[0].write_to_path(str(tmp_path / "client.crt"))
    (tmp_path / "client.key").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    )
    certificate = {
        "PGSSLCERT": str(tmp_path / "client.crt"),
        "PGSSLKEY": str(tmp_path / "client.key"),
    }
    with pytest.raises(ConnectionError, match="PGSSLKEY is encrypted"):
        connect(settings(tls[1], PGSSLMODE="require", **certificate), 5)


def test_a_socket_in_a_folder_is_a_way_too(server_url: str, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / ".s.PGSQL.5432"))
        listener.listen()
        Front(server_url, listener, None)
        url = f"postgresql://{login(server_url)}@/postgres?host={tmp_path}"
        assert who(connect(settings(url), 5)) == "postgres"
        listener.shutdown(socket.SHUT_RDWR)


def test_a_server_that_says_nothing_is_given_up_at_the_connect_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://u@127.0.0.1:{silent.getsockname()[1]}/m"
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            connect(settings(url, PGCONNECT_TIMEOUT="0.5"), 5)
        assert time.monotonic() - started < 20


def test_a_socket_is_closed_when_the_server_hangs_up_before_the_first_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours, theirs = socket.socketpair()
    theirs.close()
    monkeypatch.setattr("function.store.connection.open_socket", lambda *_, **__: ours)
    with pytest.raises(CONNECTION_ERRORS):
        connect(settings("postgresql://u@127.0.0.1/m"), 5)
    assert ours.fileno() == -1


def test_an_error_about_a_row_is_described_without_the_row(server_url: str) -> None:
    with closing(open_connection(server_url)) as connection:
        connection.run("CREATE TEMPORARY TABLE t (secret TEXT CHECK (secret <> 'quoted'))")
        with pytest.raises(DatabaseError) as caught:
            connection.run("INSERT INTO t VALUES (:secret)", secret="quoted")
    assert "quoted" in str(caught.value)
    assert describe(caught.value) == "SQLSTATE 23514"


def test_a_bug_is_described_without_its_text() -> None:
    assert describe(KeyError("quoted")) == "KeyError"


@pytest.mark.parametrize("sslmode", ["disable", "prefer"])
@pytest.mark.parametrize("greeting", [b"\x4a\0\0\0\x0a8.0.36\0" * 9, b"R\0\0\0\0"])
def test_another_program_at_the_address_is_told(greeting: bytes, sslmode: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = settings(
            f"postgresql://u@127.0.0.1:{listener.getsockname()[1]}/m?sslmode={sslmode}"
        )
        accepted: list[socket.socket] = []

        def greet() -> None:
            accepted.append(listener.accept()[0])
            accepted[0].sendall(greeting)

        thread = threading.Thread(target=greet)
        thread.start()
        with pytest.raises(CONNECTION_ERRORS, match="not PostgreSQL's protocol"):
            connect(client, 5)
        thread.join()
        accepted[0].close()
