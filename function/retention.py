"""`python -m function.retention`: delete feedback that is older than RETENTION_DAYS.

Each transaction deletes some rows and adds them to `feedback_count`. So a run may end at any time,
and the next one continues.
"""

import logging
import os
import signal
import sys
import time
from collections import Counter
from contextlib import closing
from types import FrameType

from function import logs
from function.llm.prompt import taxonomy
from function.settings import load_or_exit
from function.store import erasure
from function.store.connection import connect
from function.store.driver import CONNECTION_ERRORS, Connection, DatabaseError
from function.store.faults import describe

STATEMENT_TIMEOUT = 60.0  # seconds

log = logging.getLogger("function.retention")


def main() -> int:
    """Return the exit code: 0, or 1 when the run ended before all old rows were deleted."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    settings = load_or_exit(os.environ)
    if not settings.retention_days:
        print("RETENTION_DAYS: missing", file=sys.stderr)
        return 2
    logs.configure(settings.log_level, settings.log_format)
    counts = Counter(feedback=0, revisions=0)
    try:
        with closing(connect(settings.postgres, STATEMENT_TIMEOUT)) as connection:
            _delete(connection, settings.retention_days, counts)
    except (erasure.RowsKept, DatabaseError, *CONNECTION_ERRORS) as exc:
        reason = str(exc) if isinstance(exc, erasure.RowsKept) else describe(exc)
        log.error("retention ended early", extra={**counts, "reason": reason})
        return 1
    log.info("old feedback deleted", extra=counts)
    return 0


def _end(number: int, frame: FrameType | None) -> None:
    """Exit as the signal would: process 1 of a container ignores signals without a handler."""
    sys.exit(128 + number)


def _delete(connection: Connection, days: int, counts: Counter[str]) -> None:
    """Work half of the time: inserts, Debezium and autovacuum get the other half."""
    began = time.monotonic()
    for deleted in erasure.expire(connection, days, taxonomy()):
        counts.update(feedback=deleted.feedback, revisions=deleted.revisions)
        if not deleted.was_last:
            time.sleep(time.monotonic() - began)
        began = time.monotonic()


if __name__ == "__main__":
    sys.exit(main())
