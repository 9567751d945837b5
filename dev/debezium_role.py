"""The role that Debezium connects as, on servers of ours; schema.sql leaves it to who deploys."""

from pg8000.native import Connection

ROLE = "mentor_debezium"

# A role of that name may be there, with other rights.
MAKE = f"""
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{ROLE}') THEN
        CREATE ROLE {ROLE} LOGIN REPLICATION IN ROLE mentor_cdc;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{ROLE}'
                   AND rolcanlogin AND rolreplication AND NOT rolsuper
                   AND pg_has_role(oid, 'mentor_cdc', 'usage')) THEN
        ALTER ROLE {ROLE} LOGIN REPLICATION NOSUPERUSER INHERIT;
        GRANT mentor_cdc TO {ROLE};
    END IF;
END
$$
"""


def make_role(superuser: Connection) -> None:
    """Make the role, or give it the rights it lacks; schema.sql has made mentor_cdc before."""
    superuser.run(MAKE)
