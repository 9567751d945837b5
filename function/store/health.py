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

    @property
    def writable(self) -> bool:
        """Whether no write failed in the last seconds, or one succeeded since."""
        return max(self.stored_at, time.monotonic() - MEMORY) > self._write_failed

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
