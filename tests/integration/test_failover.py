"""A list of hosts gives failover without a virtual address."""

from contextlib import closing
from pathlib import Path

from dev.postgres import EmbeddedPostgres
from tests.conftest import open_connection
from tests.events.pair import standby_of
from tests.instance import running
from tests.waiting import wait_until


def test_rows_go_to_whichever_server_takes_them(
    own_postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    """The standby comes first in the list, and is passed over until it is promoted."""
    with standby_of(own_postgres, "postgres") as standby:
        hosts = f"127.0.0.1:{standby.port},127.0.0.1:{own_postgres.port}"
        url = f"postgresql://postgres@{hosts}/postgres?target_session_attrs=read-write"
        with running(tmp_path / "log", url) as function:
            function.wait_until_ready()
            assert function.post().status == 200
            with closing(open_connection(own_postgres.url())) as primary:
                assert primary.run("SELECT count(*) FROM feedback") == [[1]]
            own_postgres.crash()
            with closing(open_connection(standby.url())) as promoted:
                promoted.run("SELECT pg_promote()")
                before = promoted.run("SELECT count(*) FROM feedback")
                wait_until(lambda: function.post().status == 200)
                assert promoted.run("SELECT count(*) FROM feedback") > before
