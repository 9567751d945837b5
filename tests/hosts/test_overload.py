"""A queue that would take too long is refused early."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import open_connection
from tests.instance import running


@pytest.fixture
def slow_database(feedback_database: str) -> str:
    """One in which each statement takes half a second."""
    with closing(open_connection(feedback_database)) as connection:
        connection.run(
            "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN PERFORM pg_sleep(0.5); RETURN NULL; END $$"
        )
        connection.run("CREATE TRIGGER slow BEFORE INSERT ON feedback EXECUTE FUNCTION slow()")
    return feedback_database


def test_overload(slow_database: str, host: str, tmp_path: Path) -> None:
    """A request that would wait too long is refused at once."""
    with (
        running(tmp_path / "log", slow_database, host) as function,
        ThreadPoolExecutor(600) as pool,
    ):
        function.wait_until_ready()
        for _ in range(3):
            assert function.post().status == 200
        answers = list(pool.map(lambda _: function.post(), range(600)))

    refused = [answer for answer in answers if answer.status != 200]
    assert refused
    assert {(one.status, one.headers["retry-after"]) for one in refused} == {(503, "2")}
    assert len(refused) < 500
