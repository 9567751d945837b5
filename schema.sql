-- The whole schema, for PostgreSQL 14 to 18: for an empty database, a database of the original
-- service, or one that has the schema already. Two ways apply it, with the same result:
--
--     python -m function.migrate                   waits, takes turns, tries again, reports
--     psql -X -v ON_ERROR_STOP=1 -f schema.sql     by hand
--
-- Each step reads the catalog first and acts only where something is missing, so a rerun locks
-- nothing. (ALTER TABLE ... IF NOT EXISTS locks the table even when there is nothing to do.) A step
-- is one statement: it succeeds or fails as a whole. A NOTICE without an SQLSTATE reports a change.
-- A WARNING reports what the step could not do (01M01), rows that may lack their events (01M02), or
-- what may refuse rows (01M03).
--
-- function/migrate.py knows "-- Step:" lines and psql's \gexec on a line of its own, which runs the
-- statements that the query above it returns.

-- Step: set up the session
-- The function inserts while the job runs. A request for a lock that blocks inserts ends after one
-- second, and the inserts behind it proceed.
SET lock_timeout = '1s';
SET client_min_messages = notice;
-- Debezium's configuration names public.feedback. The settings of a role or database must change
-- neither that nor what format_type returns below. Names of functions are not looked up in public,
-- where others may create functions (CVE-2018-1058): they would run with the rights of this role.
SET search_path = pg_catalog;
SET quote_all_identifiers = off;

-- Step: accept the database
-- Before anything is created: a database with another purpose stays unchanged.
DO $$
DECLARE
    feedback CONSTANT regclass := to_regclass('public.feedback');
    difficulty CONSTANT regtype := to_regtype('public.difficulty_level');
    elsewhere CONSTANT text := 'Use a database of the mentor service''s own.';
    kind text;
    problems text;
BEGIN
    IF current_setting('transaction_read_only')::boolean THEN
        RAISE EXCEPTION 'the database is read-only' USING ERRCODE = 'read_only_sql_transaction';
    END IF;
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
                WHEN relispartition THEN 'a partition'
                WHEN relpersistence <> 'p' THEN 'unlogged'
           END INTO kind FROM pg_class WHERE oid = feedback;
    IF kind IS NOT NULL THEN
        RAISE EXCEPTION 'feedback is %', kind
            USING HINT = CASE kind
                WHEN 'partitioned' THEN
                    'The primary key (id) must be unique over all rows. If time partitions the '
                    'table, it is not. Move the rows to a plain table; docs/operations.md says how '
                    'to delete old rows.'
                WHEN 'a partition' THEN 'Detach it: ALTER TABLE ... DETACH PARTITION feedback'
                WHEN 'unlogged' THEN 'A crash would empty it: ALTER TABLE feedback SET LOGGED'
                ELSE elsewhere
            END;
    END IF;
    SELECT string_agg(problem, ', ') INTO problems FROM (
        SELECT CASE
                   WHEN attname IS NULL AND of_the_original THEN name || ' is missing'
                   -- The original service inserts no others.
                   WHEN of_the_original IS NOT TRUE
                        AND attnotnull AND NOT atthasdef AND attidentity = ''
                       THEN attname || ' needs a default'
                   WHEN required AND NOT attnotnull THEN name || ' may be null'
                   WHEN format_type(atttypid, NULL) <> ALL (types)
                       THEN format('%s is %s', name, format_type(atttypid, NULL))
                   WHEN name = 'created_at' AND NOT atthasdef THEN 'created_at has no default'
                   WHEN name IS NOT NULL AND attgenerated <> '' THEN name || ' is generated'
               END AS problem
        FROM (VALUES
            ('id', '{uuid}'::text[], true, true),
            ('student_id', '{uuid}', true, true),
            ('task_id', '{text}', false, false),
            ('message', '{text}', true, false),
            ('perceived_difficulty', '{public.difficulty_level}', true, true),
            ('difficulty_adjustment', '{double precision}', false, false),
            ('topic_weights', '{jsonb}', false, false),
            ('sentiment', '{text}', false, false),
            ('strategy_snapshot', '{jsonb}', true, true),
            ('created_at', '{timestamp with time zone,timestamp without time zone}', true, true),
            ('traceparent', '{text}', false, true),
            ('concern', '{text}', false, true))
            AS wanted (name, types, of_the_original, required)
        FULL JOIN (SELECT * FROM pg_attribute
                   WHERE attrelid = feedback AND attnum > 0 AND NOT attisdropped) AS present
            ON attname::text = name
        UNION ALL
        SELECT 'no primary key (id)'
        WHERE NOT EXISTS (
            SELECT FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
            WHERE indrelid = feedback AND attname = 'id' AND indnkeyatts = 1
            AND indisunique AND indisvalid AND indimmediate AND indpred IS NULL)
        UNION ALL
        SELECT format('the rule %I, which ON CONFLICT does not allow', rulename) FROM pg_rewrite
        WHERE ev_class = feedback
        AND (ev_type = '2' OR ev_type = '3' AND ev_enabled IN ('O', 'A'))  -- UPDATE, INSERT
        ) AS found;
    IF feedback IS NOT NULL AND problems IS NOT NULL THEN
        RAISE EXCEPTION 'the table feedback is not that of the mentor service: %', problems
            USING HINT = elsewhere || ' If this is the table of the mentor service, repair it with '
                         'ALTER TABLE feedback ALTER COLUMN ... SET NOT NULL or SET DEFAULT. '
                         'Copy it with CREATE TABLE ... (LIKE ... INCLUDING ALL).';
    END IF;
    FOR kind, problems IN
        SELECT name, string_agg(wanted, ', ')
        FROM (VALUES
            ('strategy_revision', ARRAY[
                'id uuid', 'feedback_id uuid', 'feedback_created_at timestamp with time zone',
                'student_id uuid', 'task_id text', 'perceived_difficulty public.difficulty_level',
                'difficulty_adjustment double precision', 'topic_weights jsonb', 'sentiment text',
                'strategy_snapshot jsonb', 'concern text', 'created_at timestamp with time zone',
                'traceparent text']),
            ('student_erasure', ARRAY[
                'id uuid', 'student_id uuid', 'created_at timestamp with time zone']),
            ('feedback_count', ARRAY[
                'week date', 'perceived_difficulty public.difficulty_level', 'topic text',
                'number bigint'])) AS tables (name, columns)
        CROSS JOIN unnest(columns) AS wanted
        WHERE to_regclass('public.' || name) IS NOT NULL AND NOT EXISTS (
            SELECT FROM pg_attribute WHERE attrelid = to_regclass('public.' || name)
            AND attnum > 0 AND format('%s %s', attname, format_type(atttypid, NULL)) = wanted)
        GROUP BY name
    LOOP
        RAISE EXCEPTION 'the table % is not that of the mentor service: it lacks %', kind, problems
            USING HINT = elsewhere;
    END LOOP;
    SELECT string_agg(name, ', ') INTO problems FROM (
        SELECT name FROM unnest(ARRAY['feedback', 'strategy_revision', 'student_erasure',
                                      'feedback_count']) AS name
        WHERE to_regclass('public.' || name) IS NULL AND to_regtype('public.' || name) IS NOT NULL
        UNION ALL
        SELECT name FROM (VALUES  -- of an index that is not there; a copy has other names
            ('idx_feedback_student_id', 'student_id'), ('idx_feedback_created_at', 'created_at'),
            ('idx_feedback_strategy_snapshot', 'strategy_snapshot')) AS wanted (name, indexed)
        WHERE to_regclass('public.' || name) IS NOT NULL AND NOT EXISTS (
            SELECT FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
            WHERE indrelid = feedback
            AND (indexrelid = to_regclass('public.' || name)
                 OR attname = indexed AND indisvalid AND indpred IS NULL))) AS taken;
    IF problems IS NOT NULL THEN
        RAISE EXCEPTION 'the name % is taken', problems USING ERRCODE = 'duplicate_table';
    END IF;
END
$$;

-- Step: create the type and the table
DO $$
BEGIN
    IF to_regtype('public.difficulty_level') IS NULL THEN
        CREATE TYPE public.difficulty_level AS ENUM ('easy', 'ok', 'hard');
        RAISE NOTICE 'created the type difficulty_level';
    END IF;
    IF to_regclass('public.feedback') IS NULL THEN
        CREATE TABLE public.feedback (
            id                    UUID PRIMARY KEY DEFAULT gen_random_uuid(),
            student_id            UUID NOT NULL,
            task_id               TEXT,
            message               TEXT,
            perceived_difficulty  public.difficulty_level NOT NULL,
            difficulty_adjustment DOUBLE PRECISION,
            topic_weights         JSONB,
            sentiment             TEXT,
            strategy_snapshot     JSONB NOT NULL,
            created_at            TIMESTAMPTZ NOT NULL DEFAULT now(),
            traceparent           TEXT NOT NULL
                DEFAULT '00-00000000000000000000000000000000-0000000000000000-00',
            -- No CHECK: a new value would need a migration that reads the whole table.
            concern               TEXT NOT NULL DEFAULT 'unassessed'
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
        WHERE attrelid = 'public.feedback'::regclass AND attnum > 0 AND NOT attisdropped);
BEGIN
    IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'public.feedback'::regclass
               AND attname = 'created_at' AND atttypid = 'timestamp'::regtype) THEN
        -- The original wrote UTC. In a session at UTC the two types have the same bits, so no row
        -- is rewritten. The index would be rebuilt here while inserts wait, so it is built below.
        SET LOCAL timezone = 'UTC';
        IF EXISTS (SELECT FROM pg_index WHERE indrelid = 'public.feedback'::regclass
                   AND indexrelid = to_regclass('public.idx_feedback_created_at')) THEN
            DROP INDEX public.idx_feedback_created_at;
        END IF;
        ALTER TABLE public.feedback
            ALTER COLUMN created_at TYPE TIMESTAMPTZ,
            ALTER COLUMN created_at SET DEFAULT now();
        RAISE NOTICE 'changed created_at from TIMESTAMP to TIMESTAMPTZ';
    END IF;
    IF NOT columns @> ARRAY['task_id', 'difficulty_adjustment', 'topic_weights', 'sentiment',
                            'traceparent', 'concern'] THEN
        ALTER TABLE public.feedback
            ADD COLUMN IF NOT EXISTS task_id TEXT,
            ADD COLUMN IF NOT EXISTS difficulty_adjustment DOUBLE PRECISION,
            ADD COLUMN IF NOT EXISTS topic_weights JSONB,
            ADD COLUMN IF NOT EXISTS sentiment TEXT,
            ADD COLUMN IF NOT EXISTS traceparent TEXT NOT NULL
                DEFAULT '00-00000000000000000000000000000000-0000000000000000-00',
            -- A constant default rewrites no row, since PostgreSQL 11.
            ADD COLUMN IF NOT EXISTS concern TEXT NOT NULL DEFAULT 'unassessed';
        RAISE NOTICE 'added the columns that the table lacked';
    END IF;
END
$$;

-- Step: look for what may refuse rows
-- It may be there for a reason, and without a row nobody can tell what it refuses.
DO $$
DECLARE
    found text;
BEGIN
    SELECT string_agg(what, ', ') INTO found FROM (
        SELECT format('%I %s', conname, pg_get_constraintdef(oid)) AS what FROM pg_constraint
        WHERE conrelid = 'public.feedback'::regclass AND contype IN ('c', 'f', 'x')
        UNION ALL
        SELECT format('the unique index %s', indexrelid::regclass) FROM pg_index
        WHERE indrelid = 'public.feedback'::regclass AND indisunique AND NOT EXISTS (
            SELECT FROM pg_attribute
            WHERE attrelid = indrelid AND attname = 'id'
            AND attnum = ANY ((indkey::int2[])[:indnkeyatts - 1]))  -- from 0; INCLUDE comes after
        UNION ALL
        SELECT format('the trigger %I', tgname) FROM pg_trigger
        WHERE tgrelid = 'public.feedback'::regclass AND NOT tgisinternal
        AND tgenabled IN ('O', 'A')  -- neither disabled nor for replication only
        AND tgtype & 4 > 0  -- for INSERT
        UNION ALL
        SELECT 'row-level security' FROM pg_class
        WHERE oid = 'public.feedback'::regclass AND relrowsecurity) AS suspects;
    IF found IS NOT NULL THEN
        RAISE WARNING 'feedback has %', found
            USING ERRCODE = '01M03', HINT = 'Make sure that each row of the function passes. '
                'Where a row is refused, its client gets status 500.';
    END IF;
END
$$;

-- Step: create the table of revisions
-- function/reanalyze.py inserts a later strategy for a row of feedback. Without a foreign key: a copy
-- may replace the table feedback, and TRUNCATE must work.
DO $$
BEGIN
    IF to_regclass('public.strategy_revision') IS NULL THEN
        CREATE TABLE public.strategy_revision (
            id                    UUID PRIMARY KEY DEFAULT gen_random_uuid(),
            feedback_id           UUID NOT NULL UNIQUE,
            feedback_created_at   TIMESTAMPTZ NOT NULL,
            student_id            UUID NOT NULL,
            task_id               TEXT,
            perceived_difficulty  public.difficulty_level NOT NULL,
            difficulty_adjustment DOUBLE PRECISION NOT NULL,
            topic_weights         JSONB NOT NULL,
            sentiment             TEXT NOT NULL,
            strategy_snapshot     JSONB NOT NULL,
            concern               TEXT NOT NULL,
            created_at            TIMESTAMPTZ NOT NULL DEFAULT now(),
            traceparent           TEXT NOT NULL
        );
        RAISE NOTICE 'created the table strategy_revision';
    END IF;
END
$$;

-- Step: create the tables of erasures and of counts
-- function/erase.py and function/retention.py delete feedback and keep its counts. A row of
-- student_erasure is an event. feedback_count is not published.
DO $$
BEGIN
    IF to_regclass('public.student_erasure') IS NULL THEN
        CREATE TABLE public.student_erasure (
            id         UUID PRIMARY KEY DEFAULT gen_random_uuid(),
            student_id UUID NOT NULL,
            created_at TIMESTAMPTZ NOT NULL DEFAULT now()
        );
        RAISE NOTICE 'created the table student_erasure';
    END IF;
    IF to_regclass('public.feedback_count') IS NULL THEN
        CREATE TABLE public.feedback_count (
            week                 DATE NOT NULL,  -- its Monday, in UTC
            perceived_difficulty public.difficulty_level NOT NULL,
            topic                TEXT NOT NULL,  -- '' counts each feedback once
            number               BIGINT NOT NULL,
            PRIMARY KEY (week, perceived_difficulty, topic)
        );
        RAISE NOTICE 'created the table feedback_count';
    END IF;
END
$$;

-- Step: create the publication
-- A slot never yields the rows that were written while the publication was incomplete. Debezium
-- reads the whole table when it makes a new slot. Until then a comment on the publication names the
-- slot, so that every run warns.
DO $$
DECLARE
    note CONSTANT text := 'The slot %s skipped rows.';
    members CONSTANT text[] := ARRAY['feedback', 'strategy_revision', 'student_erasure'];
    publication pg_publication;
    covers_all boolean;  -- has each table of the database or of the schema, with all rows
    limited text[];  -- to some rows or columns, since PostgreSQL 15
    missing text[];
    skipped boolean;
    old_comment text;
    new_comment text;
    slots text[];
    slot text;
    member text;
BEGIN
    -- Without pg_publication_tables, which locks the tables.
    SELECT * INTO publication FROM pg_publication WHERE pubname = 'mentor_feedback';
    covers_all := coalesce(publication.puballtables, false);
    IF to_regclass('pg_publication_namespace') IS NOT NULL THEN  -- since PostgreSQL 15
        covers_all := covers_all OR EXISTS (
            SELECT FROM pg_publication_namespace
            WHERE pnpubid = publication.oid AND pnnspid = 'public'::regnamespace);
    END IF;
    SELECT coalesce(array_agg(wanted) FILTER (WHERE entry IS NULL), '{}'),
           coalesce(array_agg(wanted) FILTER (
               WHERE coalesce(entry ->> 'prqual', entry ->> 'prattrs') IS NOT NULL), '{}')
    INTO missing, limited
    FROM unnest(members) AS wanted LEFT JOIN LATERAL (
        SELECT to_jsonb(pg_publication_rel) AS entry FROM pg_publication_rel
        WHERE prpubid = publication.oid AND prrelid = ('public.' || wanted)::regclass
    ) AS present ON true
    WHERE NOT covers_all;
    skipped := EXISTS (
        SELECT FROM unnest(members) AS wanted
        WHERE pg_relation_size(('public.' || wanted)::regclass) > 0
        AND (publication.pubinsert IS NOT TRUE OR wanted = ANY (missing || limited)));

    old_comment := obj_description(publication.oid, 'pg_publication');
    slots := ARRAY(
        SELECT slot_name FROM pg_replication_slots
        WHERE plugin = 'pgoutput' AND database = current_database()
        AND (skipped OR strpos(old_comment, format(note, slot_name)) > 0));
    FOREACH slot IN ARRAY slots LOOP
        RAISE WARNING 'the publication was incomplete, and the slot % skipped what it lacked', slot
            USING ERRCODE = '01M02', HINT = format(
                'If Debezium reads feedback by this slot, drop the slot, and Debezium reads all '
                'rows again. Then end this warning: COMMENT ON PUBLICATION mentor_feedback '
                'IS NULL. To drop the slot: '
                'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots '
                'WHERE slot_name = %L AND coalesce(pg_terminate_backend(active_pid, 10000), true)',
                slot);
    END LOOP;

    IF publication.oid IS NULL THEN
        CREATE PUBLICATION mentor_feedback WITH (publish = 'insert');
        RAISE NOTICE 'created the publication mentor_feedback';
    END IF;
    FOREACH member IN ARRAY limited LOOP
        EXECUTE format('ALTER PUBLICATION mentor_feedback DROP TABLE public.%I', member);
        EXECUTE format('ALTER PUBLICATION mentor_feedback ADD TABLE public.%I', member);
        RAISE NOTICE 'removed a limit to some rows or columns of % from the publication', member;
    END LOOP;
    FOREACH member IN ARRAY missing LOOP
        EXECUTE format('ALTER PUBLICATION mentor_feedback ADD TABLE public.%I', member);
        RAISE NOTICE 'added the table % to the publication mentor_feedback', member;
    END LOOP;
    IF NOT publication.pubinsert OR publication.pubupdate OR publication.pubdelete
       OR publication.pubtruncate THEN
        ALTER PUBLICATION mentor_feedback SET (publish = 'insert');
        RAISE NOTICE 'made the publication mentor_feedback publish inserts only';
    END IF;
    -- Lines of others stay. A slot that is gone needs no note, but only the owner can remove it.
    new_comment := array_to_string(ARRAY(
        SELECT line FROM string_to_table(old_comment, E'\n') AS line
        WHERE line NOT LIKE format(note, '%')
        UNION ALL SELECT format(note, name) FROM unnest(slots) AS name), E'\n');
    IF new_comment <> coalesce(old_comment, '') AND pg_has_role(
            (SELECT pubowner FROM pg_publication WHERE pubname = 'mentor_feedback'), 'USAGE') THEN
        EXECUTE format('COMMENT ON PUBLICATION mentor_feedback IS %L', new_comment);
        RAISE NOTICE 'changed the comment on the publication mentor_feedback';
    END IF;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE WARNING 'could not set up the publication mentor_feedback: %', SQLERRM
        USING ERRCODE = '01M01', HINT = format(
            'Events need it. Run this once as a superuser, or make %I the owner of the table and '
            'the publication, and: GRANT CREATE ON DATABASE %I TO %I',
            current_user, current_database(), current_user);
END
$$;

-- Step: create the group roles
DO $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['mentor_writer', 'mentor_cdc', 'mentor_eraser'] LOOP
        CONTINUE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = role);
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', role);
            RAISE NOTICE 'created the role %', role;
        EXCEPTION
            -- Roles belong to the cluster: the migration of another database was faster.
            WHEN duplicate_object OR unique_violation THEN
                NULL;
            WHEN insufficient_privilege THEN
                RAISE WARNING 'could not create the role %: %', role, SQLERRM
                    USING ERRCODE = '01M01', HINT = format(
                        'A role that may create roles: CREATE ROLE %I NOLOGIN; then run this '
                        'again. Or do without it.', role);
        END;
    END LOOP;
END
$$;

-- Step: grant the group roles what they need
-- mentor_writer needs SELECT for ON CONFLICT, RETURNING, repeated requests and function/reanalyze.py.
-- mentor_eraser is for function/erase.py and function/retention.py.
-- Row-level security hides rows from a snapshot of Debezium without an error.
DO $$
DECLARE
    needed record;
    held boolean;
    hidden text;
BEGIN
    FOR needed IN
        SELECT role, privilege, object,
               format('SELECT has_%s_privilege(%L, %L, %L)', kind, role, name, privilege) AS test
        FROM (VALUES
            ('mentor_writer', 'USAGE', 'schema', 'public'),
            ('mentor_writer', 'USAGE', 'type', 'public.difficulty_level'),
            ('mentor_writer', 'INSERT', 'table', 'public.feedback'),
            ('mentor_writer', 'SELECT', 'table', 'public.feedback'),
            ('mentor_writer', 'INSERT', 'table', 'public.strategy_revision'),
            ('mentor_writer', 'SELECT', 'table', 'public.strategy_revision'),
            ('mentor_cdc', 'USAGE', 'schema', 'public'),
            ('mentor_cdc', 'SELECT', 'table', 'public.feedback'),
            ('mentor_cdc', 'SELECT', 'table', 'public.strategy_revision'),
            ('mentor_cdc', 'SELECT', 'table', 'public.student_erasure'),
            ('mentor_eraser', 'USAGE', 'schema', 'public'),
            ('mentor_eraser', 'SELECT', 'table', 'public.feedback'),
            ('mentor_eraser', 'DELETE', 'table', 'public.feedback'),
            ('mentor_eraser', 'SELECT', 'table', 'public.strategy_revision'),
            ('mentor_eraser', 'DELETE', 'table', 'public.strategy_revision'),
            ('mentor_eraser', 'SELECT', 'table', 'public.student_erasure'),
            ('mentor_eraser', 'INSERT', 'table', 'public.student_erasure'),
            ('mentor_eraser', 'DELETE', 'table', 'public.student_erasure'),
            ('mentor_eraser', 'SELECT', 'table', 'public.feedback_count'),
            ('mentor_eraser', 'INSERT', 'table', 'public.feedback_count'),
            ('mentor_eraser', 'UPDATE', 'table', 'public.feedback_count'))
            AS wanted (role, privilege, kind, name)
        JOIN pg_roles ON rolname = role
        CROSS JOIN LATERAL (SELECT format('%s %s', upper(kind), name) AS object) AS named
    LOOP
        EXECUTE needed.test INTO held;
        CONTINUE WHEN held;
        BEGIN
            EXECUTE format('GRANT %s ON %s TO %I', needed.privilege, needed.object, needed.role);
        EXCEPTION WHEN insufficient_privilege THEN
            NULL;
        END;
        -- GRANT without the grant option does nothing and is no error.
        EXECUTE needed.test INTO held;
        IF held THEN
            RAISE NOTICE 'granted % on % to %', needed.privilege, needed.object, needed.role;
        ELSE
            RAISE WARNING '% lacks %, and % may not grant it',
                needed.role, needed.privilege || ' on ' || needed.object, current_user
                USING ERRCODE = '01M01', HINT = format(
                    'The owner: GRANT %s ON %s TO %I',
                    needed.privilege, needed.object, needed.role);
        END IF;
    END LOOP;
    FOR hidden IN
        SELECT relname FROM pg_class
        WHERE oid IN ('public.feedback'::regclass, 'public.strategy_revision'::regclass,
                      'public.student_erasure'::regclass) AND relrowsecurity
        AND NOT EXISTS (
            SELECT FROM pg_policy WHERE polrelid = pg_class.oid
            AND polpermissive AND polcmd IN ('r', '*') AND pg_get_expr(polqual, polrelid) = 'true'
            AND polroles && ARRAY[0::oid, to_regrole('mentor_cdc')::oid])
    LOOP
        RAISE WARNING 'row-level security hides rows of % from Debezium''s snapshots', hidden
            USING ERRCODE = '01M02', HINT = format(
                'The owner: CREATE POLICY mentor_cdc ON %I FOR SELECT TO mentor_cdc USING (true)',
                hidden);
    END LOOP;
END
$$;

-- Step: let the index builds wait
-- CREATE INDEX CONCURRENTLY waits for transactions, but no insert waits behind it.
SET lock_timeout = 0;

-- Step: create the indexes
-- Concurrently, because a plain CREATE INDEX blocks inserts until it ends. It can't run inside a
-- DO, so the query returns the statements. An interrupted build leaves an invalid index. A copied
-- table has other names for its indexes.
SELECT CASE WHEN indisvalid IS FALSE THEN format('DROP INDEX CONCURRENTLY public.%I', name) END,
       format('CREATE INDEX CONCURRENTLY %I ON public.feedback %s', name, definition)
FROM (VALUES
    ('idx_feedback_student_id', 'student_id', '(student_id)'),
    ('idx_feedback_created_at', 'created_at', '(created_at DESC)'),
    ('idx_feedback_strategy_snapshot', 'strategy_snapshot', 'USING gin (strategy_snapshot)'))
    AS wanted (name, indexed, definition)
LEFT JOIN pg_index
    ON indrelid = 'public.feedback'::regclass AND indexrelid = to_regclass('public.' || name)
WHERE NOT EXISTS (
    SELECT FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
    WHERE indrelid = 'public.feedback'::regclass AND attname = indexed
    AND indisvalid AND indpred IS NULL)
\gexec
