"""`make report`: a report of a made-up school year, from a PostgreSQL that ends with it."""

import sys
from collections.abc import Sequence

from dev import demo
from dev.paths import CLONE
from dev.postgres import EmbeddedPostgres
from function.migrate import migrate
from function.settings import load
from insights import database, report
from insights.options import parse

REPORT = CLONE / "build" / "report.html"
SHOWN = ("report", f"--from={demo.BROKEN_WEEK}", f"--output={REPORT}")


def main(arguments: Sequence[str]) -> None:
    """Write the report, with the arguments of `python -m insights report` in place of the usual."""
    options = parse([*SHOWN, *arguments])
    REPORT.parent.mkdir(exist_ok=True)
    with EmbeddedPostgres.temporary() as server:
        environ = {"DATABASE_URL": server.url(), "LOG_LEVEL": "WARNING"}
        migrate(load(environ))
        with database.connected(environ) as connection:
            demo.insert(connection)
            database.apply(connection, demo.TIME_ZONE)
            report.write(connection, options)
    print(f"The report: {options.output}", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
