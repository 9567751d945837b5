-- The whole schema, for PostgreSQL 14 to 18, on an empty database, on one of the original service,
-- or on one that has it already. Two ways apply it, and do the same:
--
--     python -m function.migrate                   waits, takes turns, tries again, reports
--     psql -X -v ON_ERROR_STOP=1 -f schema.sql     by hand
--
-- Each step asks the catalog first and acts only where something is missing (ALTER TABLE ... IF NOT
-- EXISTS would lock the table even when there is nothing to do), so a rerun locks nothing. A step is
-- one statement, and so is done whole or not at all. What it did it says in a NOTICE without an
-- error code; what it may not do, and can be done without, in a WARNING.
--
-- "-- Step:" lines and psql's \gexec (run the statements that this query returns) are all of the
-- syntax that function/migrate.py knows.

-- Step: set up the session
-- The function goes on inserting meanwhile. A lock that it would have to queue behind is asked for
-- during one second, then it's the inserts' turn again.
SET lock_timeout = '1s';
SET client_min_messages = notice;
-- Debezium's configuration names public.feedback; a role's own search_path must not move it.
SET search_path = public;

-- Step: accept the database
-- Before anything is created: a database of something else stays as it was.
DO $$
DECLARE
    feedback CONSTANT regclass := to_regclass('feedback');
    difficulty CONSTANT regtype := to_regtype('difficulty_level');
    elsewhere CONSTANT text := 'Use a database of the mentor service''s own.';
    kind text;
    problems text;
BEGIN
    IF getdatabaseencoding() <> 'UTF8' THEN
        RAISE EXCEPTION 'the encoding of the database is %, not UTF8', getdatabaseencoding()
            USING HINT = 'It can''t hold every message. Create a database with TEMPLATE template0 '
                         'ENCODING ''UTF8'' LOCALE ''C'', and move the rows there by pg_dump.';
    END IF;
    IF difficulty IS NOT NULL AND NOT ARRAY['easy', 'ok', 'hard'] <@ ARRAY(
            SELECT enumlabel::text FROM pg_enum WHERE enumtypid = difficulty) THEN
        RAISE EXCEPTION 'the type difficulty_level is not that of the mentor service'
            USING HINT = elsewhere;
    END IF;
    SELECT CASE WHEN relkind = 'p' THEN 'partitioned'
                WHEN relkind <> 'r' THEN 'not a table'
                WHEN relpersistence <> 'p' THEN 'unlogged'
           END INTO kind FROM pg_class WHERE oid = feedback;
    IF kind IS NOT NULL THEN
        RAISE EXCEPTION 'feedback is %', kind
            USING HINT = CASE kind
                WHEN 'partitioned' THEN
                    'The primary key (id) must be unique over all rows, and that of a table which is '
                    'partitioned by time is not. Move the rows to a plain table; docs/operations.md '
                    'says how to delete old ones.'
                WHEN 'unlogged' THEN 'A crash would empty it: ALTER TABLE feedback SET LOGGED'
                ELSE elsewhere
            END;
    END IF;
    SELECT string_agg(problem, ', ') INTO problems FROM (
        SELECT CASE
                   WHEN attname IS NULL AND of_the_original THEN name || ' is missing'
                   WHEN name IS NULL AND attnotnull AND NOT atthasdef AND attidentity = ''
                       THEN attname || ' needs a value'
                   WHEN format_type(atttypid, NULL) <> ALL (types)
                       THEN format('%s is %s', name, format_type(atttypid, NULL))
                   WHEN name = 'created_at' AND NOT atthasdef THEN 'created_at has no default'
               END AS problem
        FROM (VALUES
            ('id', '{uuid}'::text[], true),
            ('student_id', '{uuid}', true),
            ('task_id', '{text}', false),
            ('message', '{text}', true),
            ('perceived_difficulty', '{difficulty_level}', true),
            ('difficulty_adjustment', '{double precision}', false),
            ('topic_weights', '{jsonb}', false),
            ('sentiment', '{text}', false),
            ('strategy_snapshot', '{jsonb}', true),
            ('created_at', '{timestamp with time zone,timestamp without time zone}', true),
            ('traceparent', '{text}', false)) AS wanted (name, types, of_the_original)
        FULL JOIN (SELECT * FROM pg_attribute
                   WHERE attrelid = feedback AND attnum > 0 AND NOT attisdropped) AS present
            ON attname::text = name
        UNION ALL
        SELECT 'no primary key (id)'
        WHERE NOT EXISTS (
            SELECT FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
            WHERE indrelid = feedback AND attname = 'id' AND indnkeyatts = 1
            AND indisunique AND indisvalid AND indimmediate AND indpred IS NULL)) AS found;
    IF feedback IS NOT NULL AND problems IS NOT NULL THEN
        RAISE EXCEPTION 'the table feedback is not that of the mentor service: %', problems
            USING HINT = elsewhere || ' Or, if this is a copy of its table: copy with '
                         'CREATE TABLE ... (LIKE ... INCLUDING ALL).';
    END IF;
END
$$;

-- Step: create the type and the table
DO $$
BEGIN
    IF to_regtype('difficulty_level') IS NULL THEN
        CREATE TYPE difficulty_level AS ENUM ('easy', 'ok', 'hard');
        RAISE NOTICE 'created the type difficulty_level';
    END IF;
    IF to_regclass('feedback') IS NULL THEN
        CREATE TABLE feedback (
            id                    UUID PRIMARY KEY DEFAULT gen_random_uuid(),
            student_id            UUID NOT NULL,
            task_id               TEXT,
            message               TEXT,
            perceived_difficulty  difficulty_level NOT NULL,
            difficulty_adjustment DOUBLE PRECISION,
            topic_weights         JSONB,
            sentiment             TEXT,
            strategy_snapshot     JSONB NOT NULL,
            created_at            TIMESTAMPTZ NOT NULL DEFAULT now(),
            traceparent           TEXT NOT NULL
                DEFAULT '00-00000000000000000000000000000000-0000000000000000-00'
        );
        RAISE NOTICE 'created the table feedback';
    END IF;
END
$$;

-- Step: upgrade the table of the original service
DO $$
DECLARE
    columns CONSTANT text[] := ARRAY(
        SELECT attname FROM pg_attribute
        WHERE attrelid = 'feedback'::regclass AND attnum > 0 AND NOT attisdropped);
BEGIN
    IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'feedback'::regclass
               AND attname = 'created_at' AND atttypid = 'timestamp'::regtype) THEN
        -- The original wrote UTC. In a session at UTC the two types have the same bits, so no row
        -- is rewritten. The index would be rebuilt here, while inserts wait: it is made anew below.
        SET LOCAL timezone = 'UTC';
        IF EXISTS (SELECT FROM pg_index WHERE indrelid = 'feedback'::regclass
                   AND indexrelid = to_regclass('idx_feedback_created_at')) THEN
            DROP INDEX idx_feedback_created_at;
        END IF;
        ALTER TABLE feedback
            ALTER COLUMN created_at TYPE TIMESTAMPTZ,
            ALTER COLUMN created_at SET DEFAULT now();
        RAISE NOTICE 'changed created_at from TIMESTAMP to TIMESTAMPTZ';
    END IF;
    IF NOT columns @> ARRAY['task_id', 'difficulty_adjustment', 'topic_weights', 'sentiment',
                            'traceparent'] THEN
        ALTER TABLE feedback
            ADD COLUMN IF NOT EXISTS task_id TEXT,
            ADD COLUMN IF NOT EXISTS difficulty_adjustment DOUBLE PRECISION,
            ADD COLUMN IF NOT EXISTS topic_weights JSONB,
            ADD COLUMN IF NOT EXISTS sentiment TEXT,
            ADD COLUMN IF NOT EXISTS traceparent TEXT NOT NULL
                DEFAULT '00-00000000000000000000000000000000-0000000000000000-00';
        RAISE NOTICE 'added the columns that the original service had not';
    END IF;
END
$$;

-- Step: create the publication
-- A slot never yields the rows that were written while the publication lacked them. Debezium reads
-- the whole table when it makes a new slot.
DO $$
DECLARE
    -- Without pg_publication_tables, which locks the tables.
    member CONSTANT jsonb := (
        SELECT to_jsonb(pg_publication_rel) FROM pg_publication_rel
        JOIN pg_publication ON pg_publication.oid = prpubid
        WHERE pubname = 'mentor_feedback' AND prrelid = 'feedback'::regclass);
    -- Since PostgreSQL 15 a publication may have some rows or some columns only.
    is_limited CONSTANT boolean := coalesce(member ->> 'prqual', member ->> 'prattrs') IS NOT NULL;
    is_whole CONSTANT boolean := EXISTS (
        SELECT FROM pg_publication WHERE pubname = 'mentor_feedback' AND pubinsert
        AND (puballtables OR member IS NOT NULL AND NOT is_limited));
    slot name;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_publication WHERE pubname = 'mentor_feedback') THEN
        CREATE PUBLICATION mentor_feedback FOR TABLE feedback WITH (publish = 'insert');
        RAISE NOTICE 'created the publication mentor_feedback';
    ELSIF is_limited THEN
        ALTER PUBLICATION mentor_feedback DROP TABLE feedback;
        ALTER PUBLICATION mentor_feedback ADD TABLE feedback;
        RAISE NOTICE 'removed a limit to some rows or columns from the publication mentor_feedback';
    ELSIF member IS NULL AND NOT (SELECT puballtables FROM pg_publication
                                  WHERE pubname = 'mentor_feedback') THEN
        ALTER PUBLICATION mentor_feedback ADD TABLE feedback;
        RAISE NOTICE 'added the table feedback to the publication mentor_feedback';
    END IF;
    IF EXISTS (SELECT FROM pg_publication WHERE pubname = 'mentor_feedback'
               AND (NOT pubinsert OR pubupdate OR pubdelete OR pubtruncate)) THEN
        ALTER PUBLICATION mentor_feedback SET (publish = 'insert');
        RAISE NOTICE 'made the publication mentor_feedback publish inserts only';
    END IF;
    FOR slot IN
        SELECT slot_name FROM pg_replication_slots
        WHERE NOT is_whole AND database = current_database()
        AND (slot_name = 'mentor_feedback' OR starts_with(slot_name, 'mentor_events'))
    LOOP
        RAISE WARNING 'rows may lack their events: the publication was incomplete, and the slot % '
                      'skipped what it lacked', slot
            USING HINT = format('Drop the slot, and Debezium reads the whole table again: '
                'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots '
                'WHERE slot_name = %L AND coalesce(pg_terminate_backend(active_pid, 10000), true)',
                slot);
    END LOOP;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE WARNING 'could not set up the publication mentor_feedback: %', SQLERRM
        USING HINT = format('Events need it. Run this once as a superuser, or make %I the owner of '
                            'the table and: GRANT CREATE ON DATABASE %I TO %I',
                            current_user, current_database(), current_user);
END
$$;

-- Step: create the group roles
DO $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['mentor_writer', 'mentor_cdc'] LOOP
        CONTINUE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = role);
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', role);
            RAISE NOTICE 'created the role %', role;
        EXCEPTION
            -- Roles are the cluster's: the migration of another database has just been faster.
            WHEN duplicate_object OR unique_violation THEN
                NULL;
            WHEN insufficient_privilege THEN
                RAISE WARNING 'could not create the role %: %', role, SQLERRM
                    USING HINT = format('Whoever may create roles: CREATE ROLE %I NOLOGIN; '
                                        'then run this again. Or do without it.', role);
        END;
    END LOOP;
END
$$;

-- Step: grant the group roles what they need
-- mentor_writer reads what it wrote: ON CONFLICT, RETURNING and repeated requests need SELECT.
DO $$
DECLARE
    needed record;
    held boolean;
BEGIN
    FOR needed IN
        SELECT role, privilege, object,
               format('SELECT has_%s_privilege(%L, %L, %L)', kind, role, name, privilege) AS test
        FROM (VALUES
            ('mentor_writer', 'USAGE', 'schema', 'public'),
            ('mentor_writer', 'USAGE', 'type', 'difficulty_level'),
            ('mentor_writer', 'INSERT', 'table', 'feedback'),
            ('mentor_writer', 'SELECT', 'table', 'feedback'),
            ('mentor_cdc', 'USAGE', 'schema', 'public'),
            ('mentor_cdc', 'SELECT', 'table', 'feedback')) AS wanted (role, privilege, kind, name)
        JOIN pg_roles ON rolname = role
        CROSS JOIN LATERAL (SELECT format('%s %I', upper(kind), name) AS object) AS named
    LOOP
        EXECUTE needed.test INTO held;
        CONTINUE WHEN held;
        BEGIN
            EXECUTE format('GRANT %s ON %s TO %I', needed.privilege, needed.object, needed.role);
        EXCEPTION WHEN insufficient_privilege THEN
            NULL;
        END;
        -- GRANT by one who holds a right, but may not hand it on, does nothing and is no error.
        EXECUTE needed.test INTO held;
        IF held THEN
            RAISE NOTICE 'granted % on % to %', needed.privilege, needed.object, needed.role;
        ELSE
            RAISE WARNING '% has not %, and % may not grant it',
                needed.role, needed.privilege || ' on ' || needed.object, current_user
                USING HINT = format('The owner: GRANT %s ON %s TO %I',
                                    needed.privilege, needed.object, needed.role);
        END IF;
    END LOOP;
END
$$;

-- Step: let the index builds wait
-- CREATE INDEX CONCURRENTLY waits for transactions, and no insert waits behind it.
SET lock_timeout = 0;

-- Step: create the indexes
-- Concurrently, because on a big table a plain CREATE INDEX stalls inserts for as long as it takes.
-- It can't run inside of a DO, so the query returns the statements. An invalid index is what an
-- interrupted build left. The indexes of a copied table have other names.
SELECT CASE WHEN indisvalid IS FALSE THEN format('DROP INDEX CONCURRENTLY %I', name) END,
       format('CREATE INDEX CONCURRENTLY %I ON feedback %s', name, definition)
FROM (VALUES
    ('idx_feedback_student_id', 'student_id', '(student_id)'),
    ('idx_feedback_created_at', 'created_at', '(created_at DESC)'),
    ('idx_feedback_strategy_snapshot', 'strategy_snapshot', 'USING gin (strategy_snapshot)'))
    AS wanted (name, indexed, definition)
LEFT JOIN pg_index ON indrelid = 'feedback'::regclass AND indexrelid = to_regclass(name)
WHERE NOT EXISTS (
    SELECT FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
    WHERE indrelid = 'feedback'::regclass AND attname = indexed AND indisvalid AND indpred IS NULL)
\gexec
