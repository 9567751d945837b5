"""An error of the first connection either may pass, or needs a change of the configuration."""

import errno
import os
import socket
import ssl
from pathlib import Path

import pytest

from dev.connection import may_pass
from function.store.driver import DatabaseError, InterfaceError


def refused_with(state: str) -> DatabaseError:
    return DatabaseError({"S": "FATAL", "C": state, "M": "no"})


@pytest.mark.parametrize("state", ["53300", "57P03", "57P01", "08006"])
def test_a_server_that_starts_ends_or_is_full_may_take_the_next_connection(state: str) -> None:
    assert may_pass(refused_with(state))


@pytest.mark.parametrize("state", ["28P01", "28000", "3D000", "42501", "55000", "22023"])
def test_a_wrong_password_role_or_database_stays_wrong(state: str) -> None:
    assert not may_pass(refused_with(state))


@pytest.mark.parametrize(
    "number", [errno.ECONNREFUSED, errno.ECONNRESET, errno.ETIMEDOUT, errno.EHOSTUNREACH]
)
def test_a_network_may_come_back(number: int) -> None:
    assert may_pass(OSError(number, os.strerror(number)))


def test_a_connection_that_ends_early_may_not_end_the_next_time() -> None:
    assert may_pass(InterfaceError("network error"))
    assert may_pass(ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "EOF occurred"))


def test_a_name_server_may_answer_later_but_an_unknown_name_stays_unknown() -> None:
    assert may_pass(socket.gaierror(socket.EAI_AGAIN, "again"))
    with pytest.raises(socket.gaierror) as unknown:
        socket.getaddrinfo("localhost", None, flags=socket.AI_NUMERICHOST)
    assert not may_pass(unknown.value)


def test_a_wrong_certificate_stays_wrong(tmp_path: Path) -> None:
    file = tmp_path / "root.crt"
    file.write_text("no certificate")
    with pytest.raises(ssl.SSLError) as unreadable:
        ssl.create_default_context(cafile=file)
    assert not may_pass(unreadable.value)
    assert not may_pass(ssl.SSLCertVerificationError(1, "Hostname mismatch"))


@pytest.mark.parametrize(
    "error",
    [
        ConnectionError("the server offers no TLS"),
        InterfaceError("PG_CREDENTIALS_DIR holds no username"),
        IsADirectoryError(errno.EISDIR, "Is a directory"),
        PermissionError(errno.EACCES, "Permission denied"),
        ValueError("a bug"),
    ],
    ids=repr,
)
def test_other_errors_stay(error: Exception) -> None:
    assert not may_pass(error)
