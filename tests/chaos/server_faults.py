"""Faults of PostgreSQL."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import psutil

from tests.chaos.deployment import BACKENDS, DATABASE, ROLE, Deployment, deployed, server
from tests.chaos.fault import Stage, prove, stage
from tests.conftest import open_connection
from tests.migrate.job import migrate

STORM = 0.1  # seconds between two strikes
TERMINATE = f"SELECT count(pg_terminate_backend(pid)) {BACKENDS}"
CANCEL = f"SELECT count(pg_cancel_backend(pid)) {BACKENDS} AND state = 'active'"
WAITING = f"SELECT count(*) {BACKENDS} AND wait_event_type = 'Lock'"
INDEXES = ("idx_feedback_student_id", "idx_feedback_created_at", "idx_feedback_strategy_snapshot")


def kill(deployment: Deployment, hold: float) -> str:
    deployment.postgres.crash()
    time.sleep(hold)
    deployment.postgres.start()
    return prove("not properly shut down" in deployment.postgres_log, "PostgreSQL recovered")


def freeze(deployment: Deployment, hold: float) -> str:
    with deployment.postgres.frozen():
        time.sleep(hold)
        states = {process.status() for process in deployment.postgres.processes()}
    return prove(states == {psutil.STATUS_STOPPED}, "all its processes were stopped")


def terminate(deployment: Deployment, hold: float) -> str:
    hits = _storm(deployment, TERMINATE, hold)
    return prove(hits, f"{hits} connections were terminated")


def cancel(deployment: Deployment, hold: float) -> str:
    """A statement takes a millisecond, so a lock makes some of them wait for the strike."""
    text = "canceling statement due to user request"
    before = deployment.postgres_log.count(text)
    deadline = time.monotonic() + hold
    while time.monotonic() < deadline:
        with closing(open_connection(deployment.postgres.url(DATABASE))) as connection:
            connection.run("BEGIN")
            connection.run("LOCK TABLE feedback")
            time.sleep(STORM)
            connection.run(CANCEL)
            connection.run("COMMIT")
    hits = deployment.postgres_log.count(text) - before
    return prove(hits, f"{hits} statements were canceled")


def limit_connections(deployment: Deployment, hold: float) -> str:
    deployment.run(f"ALTER ROLE {ROLE} CONNECTION LIMIT 0")
    _storm(deployment, TERMINATE, hold)
    deployment.run(f"ALTER ROLE {ROLE} CONNECTION LIMIT -1")
    refused = deployment.postgres_log.count("too many connections for role")
    return prove(refused, f"{refused} connections were refused")


def read_only(deployment: Deployment, hold: float) -> str:
    deployment.run(f"ALTER ROLE {ROLE} SET default_transaction_read_only = on")
    deployment.run(TERMINATE)
    time.sleep(hold)
    deployment.run(f"ALTER ROLE {ROLE} RESET default_transaction_read_only")
    deployment.run(TERMINATE)
    refused = deployment.postgres_log.count("in a read-only transaction")
    return prove(refused, f"{refused} statements were refused")


def lock_table(deployment: Deployment, hold: float) -> str:
    with closing(open_connection(deployment.postgres.url(DATABASE))) as connection:
        connection.run("BEGIN")
        connection.run("LOCK TABLE feedback")
        time.sleep(hold / 2)
        [[waiting]] = deployment.run(WAITING)
        time.sleep(hold / 2)
        connection.run("ROLLBACK")
    return prove(waiting, f"{waiting} connections waited for the table")


def migration(deployment: Deployment, hold: float) -> str:
    """The job builds all indexes again, again and again."""
    url = deployment.postgres.url(DATABASE)
    deadline = time.monotonic() + hold
    changes: list[str] = []
    while not changes or time.monotonic() < deadline:
        deployment.run(f"DROP INDEX {', '.join(INDEXES)}")
        changes += migrate(url).changes
    return prove(len(changes) >= len(INDEXES), f"the job made {len(changes)} changes")


def _storm(deployment: Deployment, sql: str, hold: float) -> int:
    """Strike again and again; return how often it hit."""
    hits = 0
    deadline = time.monotonic() + hold
    while time.monotonic() < deadline:
        hits += deployment.run(sql)[0][0]
        time.sleep(STORM)
    return hits


FAULTS: Mapping[str, Callable[[Deployment, float], str]] = {
    "PostgreSQL: kill -9": kill,
    "PostgreSQL: SIGSTOP": freeze,
    "PostgreSQL: terminate storm": terminate,
    "PostgreSQL: cancel storm": cancel,
    "PostgreSQL: connection limit": limit_connections,
    "PostgreSQL: read-only": read_only,
    "PostgreSQL: LOCK TABLE": lock_table,
    "PostgreSQL: migration under way": migration,
}


@contextmanager
def staged(folder: Path) -> Iterator[Stage]:
    with server() as postgres, deployed(postgres, folder) as deployment:
        yield stage(deployment, FAULTS)
