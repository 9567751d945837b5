"""What Debezium needs from a server and from its role there."""

from function.store.driver import Connection

STATE = """
SELECT rolname, rolsuper, rolreplication, current_setting('wal_level'),
       to_regclass('public.feedback') IS NOT NULL,
       has_schema_privilege('public', 'USAGE')
           AND coalesce(has_table_privilege(to_regclass('public.feedback'), 'SELECT'), false),
       EXISTS (SELECT FROM pg_publication_tables WHERE pubname = 'mentor_feedback'
               AND schemaname = 'public' AND tablename = 'feedback'),
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
- {role} may not read the table public.feedback. As a superuser run
      GRANT mentor_cdc TO {quoted};"""
NO_TABLE = """\
- there is no table public.feedback. As the owner of the database run
      make migrate DATABASE_URL=postgresql://..."""
NO_PUBLICATION = """\
- the publication mentor_feedback is missing, or lacks the table. As a superuser run
      CREATE PUBLICATION mentor_feedback FOR TABLE public.feedback WITH (publish = 'insert');"""
NO_LOGICAL = """\
- wal_level is {wal_level}. As a superuser run this, then restart the server:
      ALTER SYSTEM SET wal_level = 'logical';"""
NO_SLOT = """\
- all replication slots are taken. Drop one that nobody needs,
      SELECT slot_name, active FROM pg_replication_slots;
      SELECT pg_drop_replication_slot('...');
  or raise max_replication_slots and restart the server."""


def missing(connection: Connection, slot: str) -> list[str]:
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
