"""What PostgreSQL's own log tells: docs/security.md says how to keep messages out of it."""

from pathlib import Path

import pytest

from tests.instance import FEEDBACK, running
from tests.security.canary import MESSAGE, TASK, URL_PASSWORD, WORDS, found
from tests.security.conftest import Database


@pytest.mark.parametrize(("verbosity", "leaks"), [("default", True), ("terse", False)])
def test_log_error_verbosity(
    database: Database, tmp_path: Path, verbosity: str, leaks: bool
) -> None:
    """With log_statement=all or a refused row the log quotes messages, unless it is terse."""
    database.run(f"ALTER ROLE canary SET log_error_verbosity = {verbosity}")
    database.run("SELECT pg_reload_conf()")
    with running(tmp_path / "log", database.url()) as function:
        function.wait_until_ready()
        for why in ("good", "check"):
            feedback = {**FEEDBACK, "task_id": f"{TASK} {why}", "message": f"{MESSAGE} {why}"}
            assert function.post(feedback).status == (200 if why == "good" else 500)
        assert function.terminate() == 0

    log = database.log_since_reload()
    assert b"STATEMENT:" in log
    assert bool(found({"log": log}, WORDS)) == leaks
    assert found({"log": log}, [URL_PASSWORD]) == []
