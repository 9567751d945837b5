"""What PostgreSQL's own log tells: docs/security.md says how to keep messages out of it."""

from pathlib import Path

import pytest

from tests.instance import FEEDBACK, running
from tests.security.canary import MESSAGE, TASK, URL_PASSWORD, WORDS, found
from tests.security.conftest import Database


@pytest.mark.parametrize(
    ("why", "logging", "status"),
    [
        ("check", "log_statement = none", 500),  # the row is refused
        ("good", "log_statement = 'all'", 200),
        ("good", "log_min_duration_statement = 0", 200),
    ],
)
def test_log_error_verbosity(
    database: Database, tmp_path: Path, why: str, logging: str, status: int
) -> None:
    """The log quotes a message, unless the role is terse."""
    quotes = []
    for verbosity in ("default", "terse"):
        database.run("ALTER ROLE canary RESET ALL")
        database.run("ALTER ROLE canary SET log_statement = none")
        database.run(f"ALTER ROLE canary SET {logging}")
        database.run(f"ALTER ROLE canary SET log_error_verbosity = {verbosity}")
        database.mark()
        with running(tmp_path / "log", database.url()) as function:
            function.wait_until_ready()
            feedback = {**FEEDBACK, "task_id": f"{TASK} {why}", "message": f"{MESSAGE} {why}"}
            assert function.post(feedback).status == status
            assert function.terminate() == 0
        log = database.log_since_mark()
        assert b"INSERT INTO public.feedback" in log
        assert found({"log": log}, [URL_PASSWORD]) == []
        quotes.append(bool(found({"log": log}, WORDS)))
    database.run("ALTER ROLE canary RESET ALL")
    assert quotes == [True, False]
