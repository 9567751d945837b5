"""`make psql`: psql on DATABASE_URL's database, or on that of `make run` while it runs."""

import os
import shutil
import sys

from dev import account, places, postmaster
from dev.database import NAME
from dev.places import CLONE
from function.postgres import InterfaceError, credentials
from function.settings import ConfigurationError, PostgresSettings, load

NOT_RUNNING = """\
The database of `make run` is not running: start `make run` in another terminal.
(For a server of your own: make psql DATABASE_URL=postgresql://...)"""


class NoDatabase(Exception):
    """There is nothing to open; the text tells what to do."""


def main(arguments: list[str]) -> None:
    """Become psql. Exits with 1 when there is no database to open."""
    try:
        program, environ = _given() if os.environ.get("DATABASE_URL") else _own()
    except (NoDatabase, ConfigurationError, InterfaceError) as exc:
        sys.exit(str(exc))
    others = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    os.execve(program, ["psql", *arguments], {**others, **environ})  # noqa: S606 - no shell needed


def _given() -> tuple[str, dict[str, str]]:
    """Lead to DATABASE_URL's server by variables: everybody can read a command line."""
    names = [name for name in os.environ if name.startswith("PG")]
    postgres = load({name: os.environ[name] for name in ["DATABASE_URL", *names]}).postgres
    user, password = credentials(postgres)
    return shutil.which("psql") or _own_psql(), _variables(postgres, user, password)


def _variables(postgres: PostgresSettings, user: str, password: str | None) -> dict[str, str]:
    values = {
        "PGHOST": postgres.host,
        "PGPORT": postgres.port,
        "PGDATABASE": postgres.database,
        "PGUSER": user,
        "PGPASSWORD": password,
        "PGSSLMODE": postgres.sslmode,
        "PGSSLROOTCERT": postgres.sslrootcert,
        "PGSSLCERT": postgres.sslcert,
        "PGSSLKEY": postgres.sslkey,
    }
    return {name: str(value) for name, value in values.items() if value is not None}


def _own() -> tuple[str, dict[str, str]]:
    data = places.folder_for(account.unprivileged(), CLONE / ".data")
    port = postmaster.port(data / "cluster")
    if port is None:
        raise NoDatabase(NOT_RUNNING)
    server = {"PGHOST": "127.0.0.1", "PGPORT": str(port), "PGUSER": "postgres"}
    return _own_psql(), {**server, "PGDATABASE": NAME}


def _own_psql() -> str:
    """The wheel's, which was built without TLS."""
    return str(places.programs_for(account.unprivileged()) / "psql")


if __name__ == "__main__":
    main(sys.argv[1:])
