"""The database that DATABASE_URL names, and what its role needs for Debezium."""

import hashlib
import platform
import time
from contextlib import closing
from pathlib import Path

from dev import paths
from dev.events.places import EventsError, NotReady
from function.postgres_settings import PostgresSettings
from function.store.connection import connect, credentials
from function.store.driver import CONNECTION_ERRORS, Connection, DatabaseError
from function.store.faults import describe, sqlstate

STATE = """
WITH needed AS (
    SELECT oid, relname FROM pg_class WHERE relnamespace = to_regnamespace('public')
    AND relname IN ('feedback', 'strategy_revision', 'student_erasure'))
SELECT rolname, rolsuper, rolreplication, current_setting('wal_level'),
       (SELECT count(*) FROM needed) = 3,
       has_schema_privilege('public', 'USAGE')
           AND (SELECT bool_and(has_table_privilege(oid, 'SELECT')) FROM needed),
       (SELECT count(*) FROM needed JOIN pg_publication_tables
            ON schemaname = 'public' AND tablename = relname AND pubname = 'mentor_feedback') = 3,
       EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = :slot)
           OR (SELECT count(*) FROM pg_replication_slots)
              < current_setting('max_replication_slots')::int,
       quote_ident(rolname)
FROM pg_roles WHERE rolname = current_user
"""

SUPERUSER = """\
- {role} is a superuser, and Debezium does not need one. As a superuser run
      CREATE ROLE mentor_debezium LOGIN REPLICATION PASSWORD '...' IN ROLE mentor_cdc;
  and use that role: make events DATABASE_URL=postgresql://mentor_debezium:...@..."""
NO_REPLICATION = """\
- {role} may not read PostgreSQL's log. As a superuser run
      ALTER ROLE {quoted} REPLICATION;"""
NO_SELECT = """\
- {role} may not read public.feedback, strategy_revision and student_erasure. As a superuser run
      GRANT mentor_cdc TO {quoted};"""
NO_TABLE = """\
- public lacks the table feedback, strategy_revision or student_erasure. As the database's owner run
      make migrate DATABASE_URL=postgresql://..."""
NO_PUBLICATION = """\
- the publication mentor_feedback is missing, or lacks a table. As a superuser run
      CREATE PUBLICATION mentor_feedback WITH (publish = 'insert');
      ALTER PUBLICATION mentor_feedback
      ADD TABLE public.feedback, public.strategy_revision, public.student_erasure;"""
NO_LOGICAL = """\
- wal_level is {wal_level}. As a superuser run this, then restart the server:
      ALTER SYSTEM SET wal_level = 'logical';"""
NO_SLOT = """\
- all replication slots are taken. Drop one that nobody needs,
      SELECT slot_name, active FROM pg_replication_slots;
      SELECT pg_drop_replication_slot('...');
  or raise max_replication_slots and restart the server."""

# The server starts, stops, or is full. Other refusals are permanent.
PASSING = ("57P", "53")
DROP = """
SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = :slot
"""
DISCONNECT = """
SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = :slot
"""
OBJECT_IN_USE = "55006"
DROP_ATTEMPTS, DROP_PAUSE = 10, 0.5  # seconds
NOT_DROPPED = """The slot {slot} is still on {server} ({reason}).
The server keeps its log for it, until you run there
    SELECT pg_drop_replication_slot('{slot}');"""


class OtherServer:
    """A database of DATABASE_URL's server, which keeps a slot only while `make events` runs."""

    def __init__(self, data: Path, postgres: PostgresSettings) -> None:
        [server, *others] = postgres.hosts
        if others or server.name.startswith("/"):
            raise EventsError("Debezium connects to one host by TCP: DATABASE_URL must name it.")
        self._postgres = postgres
        self.name = f"{postgres.address}/{postgres.database or credentials(postgres)[0]}"
        self.folder = data / f"events-{_digest(self.name)}"
        # Another developer's clone may have the same path.
        self.slot = f"mentor_events_{_digest(platform.node(), str(paths.CLONE), self.name)}"
        self._may_have_slot = False

    def ready(self) -> PostgresSettings:
        try:
            with closing(connect(self._postgres, statement_timeout=10)) as connection:
                problems = _missing(connection, self.slot)
        except (DatabaseError, *CONNECTION_ERRORS) as exc:
            if isinstance(exc, DatabaseError) and not sqlstate(exc).startswith(PASSING):
                raise EventsError(f"{self.name} refuses: {describe(exc)}") from exc
            raise NotReady(f"Waiting for {self.name} ({describe(exc)}) ...") from exc
        if problems:
            raise EventsError("\n".join([f"{self.name} is not ready for Debezium:", *problems]))
        self._may_have_slot = True
        return self._postgres

    def is_leaving(self) -> bool:
        """Unknown here; Debezium notices it after some seconds."""
        return False

    def end(self) -> str:
        """Drop the slot: the server would keep its log for it, perhaps without a limit."""
        if not self._may_have_slot:
            return ""
        try:
            with closing(connect(self._postgres, statement_timeout=5)) as connection:
                self._drop_slot(connection)
        except (DatabaseError, *CONNECTION_ERRORS) as exc:
            return NOT_DROPPED.format(slot=self.slot, server=self.name, reason=describe(exc))
        (self.folder / "offsets").unlink(missing_ok=True)
        return "The next `make events` shows all feedback again."

    def _drop_slot(self, connection: Connection) -> None:
        """Drop it even if Debezium is still starting: then the slot appears in a moment."""
        for _ in range(DROP_ATTEMPTS):
            try:
                if connection.run(DROP, slot=self.slot):
                    return
            except DatabaseError as exc:
                if sqlstate(exc) != OBJECT_IN_USE:
                    raise
                connection.run(DISCONNECT, slot=self.slot)
            time.sleep(DROP_PAUSE)
        connection.run(DROP, slot=self.slot)


def _missing(connection: Connection, slot: str) -> list[str]:
    """All problems that keep Debezium from following with this slot, each with its solution."""
    [row] = connection.run(STATE, slot=slot)
    role, superuser, replication, wal_level, table, select, publication, free_slot, quoted = row
    problems = {
        NO_TABLE: not table,  # first, because the migration makes roles that others name
        SUPERUSER: superuser,
        NO_REPLICATION: not (superuser or replication),
        NO_LOGICAL: wal_level != "logical",
        NO_SELECT: table and not select,
        NO_PUBLICATION: table and not publication,
        NO_SLOT: not free_slot,
    }
    texts = [text for text, is_so in problems.items() if is_so]
    return [text.format(role=role, quoted=quoted, wal_level=wal_level) for text in texts]


def _digest(*texts: str) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:10]
