"""The job waits for what may pass, and says what it waited for."""

import secrets
import threading
import time
from urllib.parse import urlsplit

from tests.migrate.gate import gate
from tests.migrate.job import address, migrate, run


def test_a_server_that_starts_late_is_waited_for_and_each_reason_logged_once(database: str) -> None:
    starting = [("57P03", "the database system is starting up")] * 3
    opening = threading.Event()
    with gate(database, starting, opening) as url:
        done = migrate(url, once_waiting=opening.set)
    assert done.code == 0, done.output
    refused, started = done.waits
    assert "Connection refused" in refused
    assert "the database system is starting up" in started


def test_a_database_that_is_made_a_moment_later_is_waited_for(
    server_url: str, database: str
) -> None:
    late = f"late_{secrets.token_hex(4)}"
    done = migrate(
        address(database, database=late),
        once_waiting=lambda: run(server_url, f"CREATE DATABASE {late}"),
    )
    run(server_url, f"DROP DATABASE {late} WITH (FORCE)")
    assert done.code == 0, done.output
    assert f'database "{late}" does not exist' in done.waits[0]


def test_a_server_that_never_comes_is_reported_at_the_limit(database: str) -> None:
    with gate(database, [], threading.Event()) as url:
        start = time.monotonic()
        done = migrate(url, timeout=1)
    assert done.code == 1
    assert time.monotonic() - start < 15
    assert f"no connection to PostgreSQL at {urlsplit(url).hostname}" in done.output


def test_a_refused_login_is_reported_without_the_password(database: str) -> None:
    refused = ("28P01", 'password authentication failed for user "mentor"')
    with gate(database, [refused] * 100) as url:
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
