"""Faults of a primary with a synchronous standby; both are in DATABASE_URL."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from dev.postgres import EmbeddedPostgres
from tests.chaos.deployment import BACKENDS, DATABASE, Deployment, deployed, role_url, server
from tests.chaos.fault import Fault, Stage, prove
from tests.conftest import open_connection
from tests.events.pair import standby_of
from tests.waiting import wait_until

WAITING = f"SELECT count(*) {BACKENDS} AND wait_event = 'SyncRep'"
SYNCHRONOUS = [["sync"]]
TIMELINE = "SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)"


class Pair:
    """A primary and its standby, which change their roles."""

    def __init__(self, deployment: Deployment, standby: EmbeddedPostgres, stack: ExitStack) -> None:
        self._deployment, self._standby, self._stack = deployment, standby, stack
        self._await_standby()

    def standby_away(self, hold: float) -> str:
        """A commit waits for the standby that is synchronous."""
        with self._standby.frozen():
            time.sleep(hold)
            [[waiting]] = self._deployment.run(WAITING)
        return prove(waiting, f"{waiting} connections waited for the standby")

    def failover(self, hold: float) -> str:
        """Promote the standby, make a new one where the primary was, and fail back to it."""
        timelines = self._deployment.run(TIMELINE)
        for _ in range(2):
            self._fail_over(hold)
            timelines += self._deployment.run(TIMELINE)
        found = [line[-1:] for (line,) in timelines]
        return prove(len(set(found)) == 3, f"the timeline became {', '.join(found)}")

    def _fail_over(self, hold: float) -> None:
        old, new = self._deployment.postgres, self._standby
        old.crash()
        time.sleep(hold / 4)
        with closing(open_connection(new.url(DATABASE))) as connection:
            connection.run("SELECT pg_promote()")
        self._deployment.postgres = new
        self._synchronize("")
        self._standby = self._stack.enter_context(standby_of(new, DATABASE, old.port))
        self._await_standby()
        time.sleep(hold / 4)

    def _await_standby(self) -> None:
        """Let commits wait for the standby from now on, so that a failover loses nothing."""
        self._synchronize("*")
        state = "SELECT sync_state FROM pg_stat_replication"
        wait_until(lambda: self._deployment.run(state) == SYNCHRONOUS)

    def _synchronize(self, names: str) -> None:
        self._deployment.run(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'")
        self._deployment.run("SELECT pg_reload_conf()")


@contextmanager
def staged(folder: Path) -> Iterator[Stage]:
    with server() as primary, ExitStack() as stack:
        standby = stack.enter_context(standby_of(primary, DATABASE))
        url = role_url(primary.port, standby.port, query="?target_session_attrs=read-write")
        deployment = stack.enter_context(deployed(primary, folder, url))
        pair = Pair(deployment, standby, stack)
        yield Stage(
            deployment,
            [
                Fault("PostgreSQL: synchronous standby away", pair.standby_away),
                Fault("PostgreSQL: failover and back", pair.failover),
            ],
        )
