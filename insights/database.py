"""The views in a database, and the roll-up that keeps them fast."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from function.postgres_settings import read_settings
from function.settings import ConfigurationError
from function.store.connection import connect
from function.store.driver import Connection
from function.store.faults import sqlstate
from function.variables import Variables

VIEWS = Path(__file__).with_name("views.sql")
RAISED = b"01000"  # the SQLSTATE of the file's own warnings
STATEMENT_TIMEOUT = 3600.0  # seconds; the roll-up of 10 million rows takes minutes
# Readers don't wait for it, and see both views change at once.
ROLL_UP = """
BEGIN;
SET LOCAL work_mem = '256MB';
REFRESH MATERIALIZED VIEW CONCURRENTLY insights.closed;
REFRESH MATERIALIZED VIEW CONCURRENTLY insights.history;
COMMIT
"""


@contextmanager
def connected(environ: Mapping[str, str]) -> Iterator[Connection]:
    """Connect to the server that DATABASE_URL or PG* name; raises ConfigurationError."""
    variables = Variables(environ)
    settings = read_settings(variables)
    if variables.problems:
        raise ConfigurationError("\n".join(variables.problems))
    with closing(connect(settings, STATEMENT_TIMEOUT)) as connection:
        yield connection


def apply(connection: Connection, time_zone: str | None) -> None:
    """Make the views, and count all weeks before this one.

    Without a time zone it stays as it was, at first UTC. After a DatabaseError the connection must
    be closed.
    """
    connection.run("BEGIN")  # the file begins none then: a pooler must not part it from its setting
    connection.run("SELECT set_config('insights.time_zone', :name, true)", name=time_zone or "")
    connection.run(VIEWS.read_text(encoding="utf-8"))
    for notice in connection.notices:
        if notice[b"C"] == RAISED:
            hint = notice.get(b"H", b"").decode(errors="replace")
            print(notice[b"M"].decode(errors="replace"), hint, sep=". ", file=sys.stderr)


def roll_up(connection: Connection) -> None:
    """Count all weeks before this one again."""
    connection.run(ROLL_UP)


def own_words(error: BaseException) -> str:
    """What the file raised, or what keeps a view from being dropped; "" for any other error."""
    told = {"P0001": "MH", "2BP01": "MD"}.get(sqlstate(error), "")
    return ". ".join(error.args[0][field] for field in told if field in error.args[0])
