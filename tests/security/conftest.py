"""A PostgreSQL that logs everything and refuses some rows, for a role with a password."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psutil
import pytest

from dev.postgres import EmbeddedPostgres
from tests.conftest import apply_schema, open_connection
from tests.instance import HOSTS, Instance
from tests.security.canary import TASK, URL_PASSWORD

# Each DETAIL quotes the row.
TROUBLE = f"""
CREATE FUNCTION interfere() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.task_id = '{TASK} told' THEN
        RAISE 'no' USING DETAIL = NEW.message, HINT = NEW.message;
    END IF;
    IF NEW.task_id = '{TASK} slow' THEN PERFORM pg_sleep(60); END IF;
    IF NEW.task_id = '{TASK} full' THEN RAISE 'full' USING ERRCODE = '53100'; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER interfere BEFORE INSERT ON feedback FOR EACH ROW EXECUTE FUNCTION interfere();
ALTER TABLE feedback ADD CONSTRAINT refused CHECK (task_id <> '{TASK} check');
CREATE UNIQUE INDEX once ON feedback (student_id, message) WHERE task_id = '{TASK} once';
CREATE ROLE canary LOGIN PASSWORD '{URL_PASSWORD}' IN ROLE mentor_writer;
"""
LOGGED = {
    "log_statement": "all",
    "log_duration": "on",
    "log_lock_waits": "on",
    "log_connections": "on",
    "log_disconnections": "on",
    "log_parameter_max_length_on_error": "-1",
}


class Database:
    """A server whose role `canary` needs its password."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self.server = server
        apply_schema(server.url())
        self.run(TROUBLE)
        server.require_password("canary")
        self.mark()

    def url(self, password: str = URL_PASSWORD) -> str:
        parts = urlsplit(self.server.url())
        return urlunsplit(parts._replace(netloc=f"canary:{password}@127.0.0.1:{parts.port}"))

    def run(self, sql: str) -> list[list[object]]:
        with closing(open_connection(self.server.url())) as connection:
            return connection.run(sql) or []

    def mark(self) -> None:
        """Reload the settings, and let the log that is searched begin here."""
        self.run("SELECT pg_reload_conf()")

    def log_since_mark(self) -> bytes:
        return self.server._log.read_bytes().rpartition(b"pg_reload_conf")[2]

    def outputs(self) -> dict[str, bytes]:
        """What others can read of the function's session and statements."""
        log = self.log_since_mark()
        activity = self.run("SELECT query, application_name FROM pg_stat_activity")
        return {
            "PostgreSQL's log": log,
            "pg_stat_activity": repr(activity).encode(),
        }


@pytest.fixture(scope="session")
def database() -> Iterator[Database]:
    with EmbeddedPostgres.temporary(**LOGGED) as server:
        yield Database(server)


@pytest.fixture(params=HOSTS)
def host(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def process_outputs(function: Instance) -> dict[str, bytes]:
    """The names and arguments of the process, its children and threads, which all users see."""
    root = psutil.Process(function.process.pid)
    found = {}
    for process in (root, *root.children(recursive=True)):
        folder = Path(f"/proc/{process.pid}")
        for file in (folder / "cmdline", *folder.glob("task/*/comm")):
            found[str(file)] = file.read_bytes()
    return found


def files(folder: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
