"""`make psql`: psql on DATABASE_URL's database, or on that of `make run` while it runs."""

import os
import shutil
import sys

from dev import paths
from dev.database import NAME
from dev.postmaster import running_port
from function.postgres_url import parse_url
from function.settings import ConfigurationError, load
from function.store.connection import credentials
from function.store.driver import InterfaceError

NOT_RUNNING = """\
The database of `make run` is not running: start `make run` in another terminal.
(For a server of your own: make psql DATABASE_URL=postgresql://...)"""


class NoDatabase(Exception):
    """No database to open; the text says what to do."""


def main(arguments: list[str]) -> None:
    """Replace this process by psql. Exits with 1 when there is no database to open."""
    try:
        program, environ = _given() if os.environ.get("DATABASE_URL") else _own()
    except (NoDatabase, ConfigurationError, InterfaceError) as exc:
        sys.exit(str(exc))
    others = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    os.execve(program, ["psql", *arguments], {**others, **environ})  # noqa: S606 - no shell needed


def _given() -> tuple[str, dict[str, str]]:
    """Pass DATABASE_URL as variables, because other users can read a command line."""
    variables = {name: value for name, value in os.environ.items() if name.startswith("PG")}
    url = os.environ["DATABASE_URL"]
    user, password = credentials(load({**variables, "DATABASE_URL": url}).postgres)
    secrets = {"PGUSER": user, **({"PGPASSWORD": password} if password else {})}
    return shutil.which("psql") or _own_psql(), {**variables, **parse_url(url), **secrets}


def _own() -> tuple[str, dict[str, str]]:
    port = running_port(paths.data_folder() / "cluster")
    if port is None:
        raise NoDatabase(NOT_RUNNING)
    server = {"PGHOST": "127.0.0.1", "PGPORT": str(port), "PGUSER": "postgres"}
    return _own_psql(), {**server, "PGDATABASE": NAME}


def _own_psql() -> str:
    """The wheel's psql, which was built without TLS."""
    return str(paths.postgres_programs() / "psql")


if __name__ == "__main__":
    main(sys.argv[1:])
