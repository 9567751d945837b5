-- The roles of compose.yaml. A rerun sets their passwords to those of the environment.
--
-- The migrate job's role owns the database, but can't create roles. So this script creates the group
-- roles, to which schema.sql grants rights.
\set ON_ERROR_STOP on
\getenv owner OWNER_PASSWORD
\getenv function FUNCTION_PASSWORD
\getenv debezium DEBEZIUM_PASSWORD
\getenv monitor MONITOR_PASSWORD

SELECT format('CREATE ROLE %I', name)
FROM unnest(ARRAY['mentor_writer', 'mentor_cdc',
                  'mentor_owner', 'mentor_function', 'mentor_debezium', 'mentor_monitor']) AS wanted (name)
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec

ALTER ROLE mentor_owner LOGIN PASSWORD :'owner';
ALTER ROLE mentor_function LOGIN PASSWORD :'function';
ALTER ROLE mentor_debezium LOGIN REPLICATION PASSWORD :'debezium';
ALTER ROLE mentor_monitor LOGIN PASSWORD :'monitor'; -- with no rights: any role sees the slots

SET client_min_messages = warning; -- no notice about existing memberships
GRANT mentor_writer TO mentor_function;
GRANT mentor_cdc TO mentor_debezium;
ALTER DATABASE mentor OWNER TO mentor_owner;
