"""Debezium reads the table and PostgreSQL's log with a role that has no other rights."""

from contextlib import closing
from urllib.parse import urlsplit

import pytest

from dev.debezium import ROLE
from tests.conftest import open_connection
from tests.events.chain import Chain
from tests.migrate.job import address, assert_refused, run
from tests.waiting import wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]


def test_own_role(chain: Chain) -> None:
    """Debezium streams under its own role, from its own slot."""
    state = "SELECT usename, state FROM pg_stat_replication"
    wait_until(lambda: run(chain.database, state) == [[ROLE, "streaming"]])
    slots = run(chain.database, "SELECT slot_name, plugin, active FROM pg_replication_slots")
    assert slots == [["mentor_feedback", "pgoutput", True]]


def test_attributes(chain: Chain) -> None:
    """The role can log in and replicate, and has no other attribute."""
    rights = run(
        chain.database,
        f"""SELECT rolcanlogin, rolreplication, rolsuper, rolcreaterole, rolcreatedb, rolbypassrls
            FROM pg_roles WHERE rolname = '{ROLE}'""",
    )
    assert rights == [[True, True, False, False, False, False]]


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO feedback SELECT * FROM feedback",
        "UPDATE feedback SET message = ''",
        "DELETE FROM feedback",
        "TRUNCATE feedback",
        "DROP PUBLICATION mentor_feedback",
        "CREATE TABLE own (id int)",
    ],
)
def test_no_changes(chain: Chain, statement: str) -> None:
    """The role can't change rows, tables or the publication."""
    server = urlsplit(chain.database).netloc.rpartition("@")[2]
    url = address(chain.database, login=ROLE, server=server)
    with closing(open_connection(url)) as connection:
        assert_refused(connection, statement)
