"""The job waits for what may pass, and says what it waited for."""

import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from tests.migrate.gate import gate
from tests.migrate.job import address, migrate, run


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
