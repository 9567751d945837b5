"""What people and programs do to a database; a statement that fails on one is left out there."""

COLUMNS = (
    *("id", "student_id", "task_id", "message", "perceived_difficulty", "difficulty_adjustment"),
    *("topic_weights", "sentiment", "strategy_snapshot", "created_at", "traceparent", "concern"),
)
TYPES = {
    "id": ["text", "varchar(36)"],
    "student_id": ["text", "char(36)"],
    "message": ["varchar(100)", "bytea USING message::bytea"],
    "strategy_snapshot": ["json", "text"],
    "created_at": ["date", "timestamp", "timestamptz(0)", "text"],
    "perceived_difficulty": ["text"],
    "difficulty_adjustment": ["numeric", "real"],
    "topic_weights": ["json", "text"],
    "sentiment": ["varchar(20)"],
    "traceparent": ["varchar(55)"],
    "concern": ["varchar(3)"],
}
SETTINGS = [
    *("search_path = other", "search_path = ''", "default_transaction_read_only = on"),
    *("quote_all_identifiers = on", "standard_conforming_strings = off", "DateStyle = 'SQL, DMY'"),
    *("transform_null_equals = on", "default_transaction_isolation = serializable"),
    *("session_replication_role = replica", "row_security = off", "role = mangler"),
    *("statement_timeout = '1ms'", "client_encoding = LATIN1", "client_min_messages = error"),
    *("TimeZone = 'Asia/Kolkata'", "lock_timeout = '1ms'", "array_nulls = off"),
    *("idle_in_transaction_session_timeout = '1ms'", "default_transaction_deferrable = on"),
    *("xmloption = document", "check_function_bodies = off", "event_triggers = off"),
]
TRIGGER = """
CREATE FUNCTION mangle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {} END $$;
CREATE TRIGGER mangle BEFORE INSERT ON feedback FOR EACH ROW EXECUTE FUNCTION mangle()
"""
MOVED = "ALTER TABLE feedback RENAME TO moved; "
PUBLICATION = "DROP PUBLICATION IF EXISTS mentor_feedback; CREATE PUBLICATION mentor_feedback "
OBJECTS = ["feedback", "strategy_revision", "difficulty_level", "idx_feedback_created_at"]
KINDS = [
    *("TABLE {} (id UUID)", "VIEW {} AS SELECT 1 AS id", "SEQUENCE {}", "TYPE {} AS ENUM ('a')"),
    *("MATERIALIZED VIEW {} AS SELECT 1 AS id", "DOMAIN {} AS text", "TYPE {} AS (a int)"),
    *("TABLE other.{} (id UUID)", "TYPE other.{} AS ENUM ('a')", "TYPE {}"),
]

MANGLES: list[str] = [
    # The owner's rules for rows: the job keeps most, and they may refuse the function's row.
    "CREATE RULE away AS ON INSERT TO feedback DO INSTEAD NOTHING",
    TRIGGER.format("RETURN NULL;"),
    TRIGGER.format("RAISE EXCEPTION 'no rows today';"),
    "ALTER TABLE feedback ADD CHECK (message = 'no') NOT VALID",
    "ALTER TABLE feedback ADD CHECK (concern <> 'none') NOT VALID",
    (
        "CREATE TABLE student (id UUID PRIMARY KEY);"
        " ALTER TABLE feedback ADD FOREIGN KEY (student_id) REFERENCES student NOT VALID"
    ),
    *(f"ALTER TABLE feedback DROP COLUMN {name}" for name in COLUMNS),
    *(f"ALTER TABLE strategy_revision DROP COLUMN {name}" for name in COLUMNS),
    *(f"ALTER TABLE feedback ALTER {name} DROP NOT NULL" for name in COLUMNS),
    *(f"ALTER TABLE feedback ALTER {name} SET NOT NULL" for name in COLUMNS),
    *(f"ALTER TABLE feedback ALTER {name} DROP DEFAULT" for name in COLUMNS),
    *(f"ALTER TABLE feedback RENAME {name} TO renamed" for name in COLUMNS),
    *(f"ALTER TABLE feedback ALTER {n} TYPE {t}" for n, types in TYPES.items() for t in types),
    *(f"ALTER DATABASE DB SET {setting}" for setting in SETTINGS),
    *(f"CREATE {kind.format(name)}" for kind in KINDS for name in OBJECTS),
    *(f"{MOVED} CREATE {kind.format('feedback')}" for kind in KINDS),
    f"{MOVED} CREATE VIEW feedback AS SELECT * FROM moved",
    f"{MOVED} CREATE TABLE feedback (LIKE moved INCLUDING ALL); INSERT INTO feedback TABLE moved",
    f"{MOVED} CREATE TABLE feedback AS TABLE moved",
    f"{MOVED} CREATE TABLE feedback () INHERITS (moved)",
    f"{MOVED} CREATE TABLE feedback (LIKE moved INCLUDING DEFAULTS) PARTITION BY HASH (id)",
    f"{MOVED} ALTER TABLE moved SET SCHEMA other; ALTER TABLE other.moved RENAME TO feedback",
    "CREATE TABLE child () INHERITS (feedback)",
    "CREATE VIEW dependent AS SELECT * FROM feedback",
    TRIGGER.format("NEW.message := upper(NEW.message); RETURN NEW;"),
    "ALTER TABLE feedback SET UNLOGGED",
    "ALTER TABLE feedback ADD extra TEXT",
    "ALTER TABLE feedback ADD extra TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE feedback ADD extra INT GENERATED ALWAYS AS IDENTITY",
    "ALTER TABLE feedback ADD extra TEXT GENERATED ALWAYS AS (message || '!') STORED",
    'ALTER TABLE feedback ADD "Message" TEXT',
    "ALTER TABLE feedback ADD CHECK (length(message) < 1000)",
    "ALTER TABLE feedback DROP CONSTRAINT feedback_pkey",
    "ALTER TABLE feedback DROP CONSTRAINT feedback_pkey; ALTER TABLE feedback ADD UNIQUE (id)",
    (
        "ALTER TABLE feedback DROP CONSTRAINT feedback_pkey;"
        " ALTER TABLE feedback ADD PRIMARY KEY (id, created_at)"
    ),
    (
        "ALTER TABLE feedback DROP CONSTRAINT feedback_pkey;"
        " ALTER TABLE feedback ADD PRIMARY KEY (id) DEFERRABLE"
    ),
    "ALTER INDEX feedback_pkey RENAME TO another",
    "ALTER INDEX idx_feedback_created_at RENAME TO another",
    (
        "DROP INDEX idx_feedback_created_at; CREATE TABLE aside (id UUID);"
        " CREATE INDEX idx_feedback_created_at ON aside (id)"
    ),
    "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_feedback_student_id'::regclass",
    "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'feedback_pkey'::regclass",
    "CREATE UNIQUE INDEX one_each ON feedback (student_id)",
    "CREATE STATISTICS correlated ON student_id, created_at FROM feedback",
    "ALTER TABLE feedback ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE feedback ENABLE ROW LEVEL SECURITY; ALTER TABLE feedback FORCE ROW LEVEL SECURITY",
    "ALTER TABLE feedback REPLICA IDENTITY NOTHING",
    "ALTER TYPE difficulty_level RENAME VALUE 'ok' TO 'medium'",
    "ALTER TYPE difficulty_level ADD VALUE 'medium'",
    "ALTER TYPE difficulty_level RENAME TO level",
    "ALTER TYPE difficulty_level SET SCHEMA other",
    "ALTER TABLE strategy_revision SET SCHEMA other",
    "ALTER TABLE strategy_revision ALTER feedback_id TYPE text",
    "ALTER TABLE strategy_revision ADD extra TEXT NOT NULL",
    "ALTER TABLE strategy_revision DROP CONSTRAINT strategy_revision_feedback_id_key",
    "DROP TABLE strategy_revision",
    "DROP PUBLICATION mentor_feedback",
    f"{PUBLICATION}",
    f"{PUBLICATION} FOR ALL TABLES",
    f"{PUBLICATION} FOR TABLES IN SCHEMA public",
    f"{PUBLICATION} FOR TABLE feedback (id, student_id)",
    f"{PUBLICATION} FOR TABLE feedback WHERE (message <> 'x') WITH (publish = 'update')",
    "ALTER PUBLICATION mentor_feedback OWNER TO mangler",
    "ALTER TABLE feedback OWNER TO mangler",
    "ALTER TYPE difficulty_level OWNER TO mangler",
    "ALTER SCHEMA public OWNER TO mangler",
    "ALTER SCHEMA public RENAME TO private",
    "DROP SCHEMA public CASCADE",
    "DROP EXTENSION plpgsql CASCADE",
    "REVOKE ALL ON SCHEMA public FROM PUBLIC",
    "REVOKE USAGE ON TYPE difficulty_level FROM PUBLIC",
    "REVOKE ALL ON LANGUAGE plpgsql FROM PUBLIC",
    "REVOKE TEMPORARY, CONNECT ON DATABASE DB FROM PUBLIC",
    "CREATE FUNCTION public.now() RETURNS timestamptz LANGUAGE sql AS 'SELECT NULL::timestamptz'",
    "CREATE FUNCTION public.to_regclass(text) RETURNS regclass LANGUAGE sql AS 'SELECT NULL'",
    (
        "CREATE FUNCTION stop() RETURNS event_trigger LANGUAGE plpgsql"
        " AS $$ BEGIN RAISE EXCEPTION 'no changes today'; END $$;"
        " CREATE EVENT TRIGGER stop ON ddl_command_start EXECUTE FUNCTION stop()"
    ),
    (
        "DO $$ BEGIN FOR n IN 1..1590 LOOP"
        " EXECUTE format('ALTER TABLE feedback ADD c%s INT', n); END LOOP; END $$"
    ),
]
