"""Whether rows can be written, as the latest attempts show, and what the log says about it."""

from __future__ import annotations

import logging
import math
import time

from function import metrics
from function.postgres_settings import PostgresSettings
from function.store.faults import describe

MEMORY = 5.0  # seconds for which a failed write outweighs a check, which can't see all causes
FAILURES = 3  # of single rows in succession: then the rows are not the cause
MOST_REFUSED = 0.25  # share of jobs; where it is larger, most parts of a failed batch fail, too
LATEST = 128  # jobs whose share counts, about

log = logging.getLogger("function.store")


class Health:
    """An outage begins with a failure and ends with a write, or a check where no write failed."""

    def __init__(self, settings: PostgresSettings) -> None:
        self._address = {
            "host": ",".join(host.name for host in settings.hosts),
            "port": ",".join(str(host.port) for host in settings.hosts),
        }
        self.pooled = False
        self._logged = False  # that there is a connection
        self._reasons: set[str] = set()
        self.stored_at = self._write_failed = -math.inf
        self._rows_failed = 0
        self._refused = 0.0  # share of the latest jobs

    @property
    def refuses_many(self) -> bool:
        """Whether PostgreSQL refused so many of the latest jobs that few batches can succeed."""
        return self._refused > MOST_REFUSED

    @property
    def writable(self) -> bool:
        """Whether no write failed in the last seconds, or one succeeded since."""
        return max(self.stored_at, time.monotonic() - MEMORY) > self._write_failed

    @property
    def has_outage(self) -> bool:
        """Whether the latest outage has not ended."""
        return bool(self._reasons)

    def row_stored(self) -> None:
        """PostgreSQL has stored a new row."""
        self.stored_at = time.monotonic()
        self._rows_failed = 0

    def succeeded(self) -> None:
        """PostgreSQL accepted a statement, maybe one without a row."""
        if self.writable:
            self._reasons.clear()
            metrics.reach("ready")
            if not self._logged:
                log.info("database connected", extra={"pooled": self.pooled})
            self._logged = True

    def row_failed(self) -> None:
        """PostgreSQL did not store a row, and may store the next one."""
        self._rows_failed += 1
        if self._rows_failed >= FAILURES:
            self.write_failed()

    def settled(self, jobs: int, *, refused: bool) -> None:
        """PostgreSQL took the rows of all jobs of a statement, or refused them."""
        self._refused += (refused - self._refused) * min(jobs / LATEST, 1)

    def write_failed(self) -> None:
        """PostgreSQL could not store any row."""
        self._write_failed = time.monotonic()

    def failed(self, error: Exception) -> None:
        """Log each reason once per outage."""
        reason = describe(error)
        self._logged = False
        if reason not in self._reasons:
            self._reasons.add(reason)
            log.warning("database unavailable", extra={"reason": reason, **self._address})
