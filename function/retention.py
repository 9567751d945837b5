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

from function import logs
from function.llm.prompt import taxonomy
from function.process import exit_at
from function.settings import load_or_exit
from function.store import erasure
from function.store.connection import connect
from function.store.driver import Connection

STATEMENT_TIMEOUT = 60.0  # seconds

log = logging.getLogger("function.retention")


def main() -> int:
    """Return the exit code: 0, or 1 when the run ended before all old rows were deleted."""
    exit_at(signal.SIGTERM, signal.SIGINT)
    settings = load_or_exit(os.environ)
    if not settings.retention_days:
        print("RETENTION_DAYS: missing", file=sys.stderr)
        return 2
    logs.configure(settings.log_level, settings.log_format)
    counts = Counter(feedback=0, revisions=0)
    try:
        with closing(connect(settings.postgres, STATEMENT_TIMEOUT)) as connection:
            _delete(connection, settings.retention_days, counts)
    except erasure.ERRORS as exc:
        log.error("retention ended early", extra={**counts, "reason": erasure.explain(exc)})
        return 1
    log.info("old feedback deleted", extra=counts)
    return 0


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
