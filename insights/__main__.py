"""`python -m insights`: views of the rows, their roll-up, and reports for teachers."""

import argparse
import os
import sys

from function.settings import ConfigurationError
from function.store.driver import CONNECTION_ERRORS, DatabaseError
from function.store.faults import describe
from insights import database


def main() -> int:
    """Return the exit code: 0, 1 after an error of the database, 2 for a wrong argument."""
    options = _options()
    try:
        with database.connected(os.environ) as connection:
            if options.command == "apply":
                database.apply(connection, options.timezone)
            else:
                database.roll_up(connection)
    except ConfigurationError as exc:
        print(f"The configuration is not valid:\n{exc}", file=sys.stderr)
        return 2
    except (DatabaseError, *CONNECTION_ERRORS) as exc:
        print(f"insights {options.command} failed: {describe(exc)}", file=sys.stderr)
        return 1
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m insights", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    apply = commands.add_parser("apply", help="make the views; rerunnable")
    apply.add_argument("--timezone", help="of days, weeks and months: Europe/Berlin; at first UTC")
    commands.add_parser("roll-up", help="count the weeks before this one; run it each night")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
