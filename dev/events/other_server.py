"""The PostgreSQL that DATABASE_URL names, and what its role needs for Debezium."""

import hashlib
import platform
from contextlib import closing
from pathlib import Path

from dev.events.note import Note
from dev.events.place import EventsError, NotReady
from dev.events.rights import missing
from dev.places import CLONE
from function.postgres_settings import PostgresSettings
from function.store.connection import connect, credentials
from function.store.driver import CONNECTION_ERRORS, DatabaseError
from function.store.faults import describe, sqlstate

# Starting up or shutting down, or full for now. All else that it refuses stays refused.
PASSING = ("57P", "53")


class OtherServer:
    """One database of that server; what is kept of it lies in a folder of its own in `folder`."""

    def __init__(self, folder: Path, postgres: PostgresSettings) -> None:
        [server, *others] = postgres.hosts
        if others or server.name.startswith("/"):
            raise EventsError("Debezium connects to one host by TCP: DATABASE_URL must name it.")
        self._postgres = postgres
        database = postgres.database or credentials(postgres)[0]
        self.name = f"{postgres.address}/{database}"
        self.folder = folder / f"events-{_digest(self.name)}"
        earlier = Note.read(self.folder)
        self._note = Note(
            host=server.name,
            port=server.port,
            database=database,
            user=credentials(postgres)[0],
            sslmode=postgres.sslmode,
            sslrootcert=str(postgres.sslrootcert or ""),
            slot=earlier.slot if earlier else self._new_slot(),
        )
        self.slot = self._note.slot

    def ready(self) -> PostgresSettings:
        try:
            with closing(connect(self._postgres, statement_timeout=10)) as connection:
                problems = missing(connection, self.slot)
        except CONNECTION_ERRORS as exc:
            raise NotReady(f"Waiting for {self.name} ({describe(exc)}) ...") from exc
        except DatabaseError as exc:
            if sqlstate(exc).startswith(PASSING):
                raise NotReady(f"Waiting for {self.name} ({describe(exc)}) ...") from exc
            raise EventsError(f"{self.name} refuses: {describe(exc)}") from exc
        if problems:
            raise EventsError("\n".join([f"{self.name} is not ready for Debezium:", *problems]))
        return self._postgres

    def is_leaving(self) -> bool:
        """Not to be known from afar: Debezium notices, some seconds later."""
        return False

    def remember(self) -> None:
        self._note.write(self.folder)

    def _new_slot(self) -> str:
        """No other developer has it, also where two have their clone at the same path."""
        return f"mentor_events_{_digest(platform.node(), str(CLONE), self.name)}"


def _digest(*texts: str) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:10]
