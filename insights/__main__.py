"""`python -m insights`: views of the rows, their roll-up, and reports for teachers."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

from function.process import exit_at
from function.settings import ConfigurationError
from function.store.driver import CONNECTION_ERRORS, Connection, DatabaseError
from function.store.faults import describe, sqlstate
from insights import database
from insights.options import parse

if TYPE_CHECKING:
    from insights.options import Options

NO_VIEWS = {"3F000", "42P01", "42883", "42703"}  # no such schema, table, function or column


def main() -> int:
    """Return the exit code: 0, 1 after an error of the database, 2 for a wrong argument."""
    exit_at(signal.SIGTERM, signal.SIGINT)
    options = parse(sys.argv[1:])
    try:
        with database.connected(os.environ) as connection:
            _run(connection, options)
    except ConfigurationError as exc:
        print(f"The configuration is not valid:\n{exc}", file=sys.stderr)
        return 2
    except (DatabaseError, *CONNECTION_ERRORS) as exc:
        has_views = options.command == "apply" or sqlstate(exc) not in NO_VIEWS
        hint = "" if has_views else ". First run: python -m insights apply"
        reason = database.own_words(exc) or describe(exc)
        print(f"insights {options.command} failed: {reason}{hint}", file=sys.stderr)
        return 1
    return 0


def _run(connection: Connection, options: Options) -> None:
    if options.command == "apply":
        database.apply(connection, options.timezone)
    elif options.command == "roll-up":
        database.roll_up(connection)
    else:
        from insights import report  # noqa: PLC0415 - the other commands do without its libraries

        report.write(connection, options)


if __name__ == "__main__":
    sys.exit(main())
