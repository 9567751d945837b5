"""Whether rows can be written, as the latest attempts tell, and what the log says about it."""

from __future__ import annotations

import logging
import time

from function.postgres_settings import PostgresSettings
from function.store.driver import describe

MEMORY = 5.0  # seconds for which a failed write outweighs a check, which can't see all reasons
REFUSALS = 3  # rows refused one after the other: then it is not the rows

log = logging.getLogger("function.store")


class Health:
    """An outage begins with what fails and ends with a write, or with a check when none failed."""

    def __init__(self, settings: PostgresSettings) -> None:
        self._address = {
            "host": ",".join(host.name for host in settings.hosts),
            "port": ",".join(str(host.port) for host in settings.hosts),
        }
        self._pooled = False
        self._told = False
        self._reasons: set[str] = set()
        self._write_failed: float | None = None
        self._refusals = 0

    @property
    def writable(self) -> bool:
        """Whether no write failed in the last seconds, or one succeeded since."""
        return self._write_failed is None or time.monotonic() - self._write_failed > MEMORY

    def connected(self, *, pooled: bool) -> None:
        """There is a connection, which does not say that rows can be written."""
        self._pooled = pooled
        if self.writable:
            self._end_outage()

    def write_succeeded(self, *, new_row: bool) -> None:
        """PostgreSQL took a row, or would take one as far as a statement without any can tell."""
        if new_row or self.writable:
            self._write_failed = None
            self._end_outage()
        if new_row:
            self._refusals = 0

    def row_refused(self) -> None:
        """PostgreSQL refused a row, and may take the next one."""
        self._refusals += 1
        if self._refusals >= REFUSALS:
            self.write_failed()

    def write_failed(self) -> None:
        """PostgreSQL did not take a row."""
        self._write_failed = time.monotonic()

    def failed(self, error: Exception) -> None:
        """Log each reason once an outage."""
        reason = describe(error)
        self._told = False
        if reason not in self._reasons:
            self._reasons.add(reason)
            log.warning("database unavailable", extra={"reason": reason, **self._address})

    def _end_outage(self) -> None:
        if not self._told:
            self._told = True
            self._reasons.clear()
            log.info("database connected", extra={"pooled": self._pooled})
