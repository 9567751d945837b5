"""`make migrate`: apply schema.sql to DATABASE_URL's database, or to that of `make run`."""

import sys

from dev.child import Stopped, StopRequest
from dev.cluster import PostgresError
from dev.database import migrate, own_postgres, started


def main() -> int:
    """Return the exit code of the job; 1 when PostgreSQL doesn't start."""
    stop = StopRequest()
    try:
        with own_postgres() as server:
            return migrate(started(server), stop)
    except Stopped:
        return 1
    except PostgresError as exc:
        print(exc, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
