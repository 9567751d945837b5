-- What the rows of feedback say about tasks and topics, without students and without messages. For a
-- database that has schema.sql; rerunnable. `python -m insights apply --timezone Europe/Berlin` runs it,
-- or psql, which keeps the time zone of the run before (at first UTC):
--
--     PGOPTIONS="-c insights.time_zone=Europe/Berlin" psql -X -v ON_ERROR_STOP=1 -f insights/views.sql
--
-- The weeks before the current one are counted by `python -m insights roll-up`, which refreshes two
-- materialized views. The rest is counted at each query, so the views are never late. Only revisions
-- and imports that change earlier weeks wait for the roll-up.
--
-- The role mentor_reader may read the views hourly (of the last eight days), daily, weekly and monthly,
-- may call insights.hours(since, until), and may do nothing else.

BEGIN;
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL client_min_messages = warning;
SET LOCAL work_mem = '256MB';

CREATE SCHEMA IF NOT EXISTS insights;

-- The time zone of days, weeks and months. Immutable, so that PostgreSQL plans with its value.
DO $$
DECLARE
    given CONSTANT text := nullif(current_setting('insights.time_zone', true), '');
BEGIN
    IF given IS NULL AND to_regprocedure('insights.time_zone()') IS NOT NULL THEN
        RETURN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_timezone_names WHERE name = coalesce(given, 'UTC')) THEN
        RAISE EXCEPTION 'there is no time zone %', given
            USING HINT = 'Use a name from pg_timezone_names, such as Europe/Berlin.';
    END IF;
    EXECUTE format(
        'CREATE OR REPLACE FUNCTION insights.time_zone() RETURNS text LANGUAGE sql IMMUTABLE '
        'AS %L', format('SELECT %L::text', coalesce(given, 'UTC')));
END
$$;

-- Views are made again, because a view can't be replaced by one with other columns. `closed` is locked
-- before `history`, as by the roll-up.
DROP VIEW IF EXISTS insights.hourly, insights.daily, insights.weekly, insights.monthly, insights.cell;
DROP FUNCTION IF EXISTS insights.hours;
DROP MATERIALIZED VIEW IF EXISTS insights.closed, insights.history;
DROP VIEW IF EXISTS insights.answer;

-- Each answer once as a whole, once for its task, and once for each of its topics. A revised strategy
-- takes the place of the first one, but does not take back its concern. Of deleted feedback only
-- counts by week are left. Names are cut, because an index can't hold a longer one, and requests may
-- have any task_id.
CREATE VIEW insights.answer AS
SELECT feedback.created_at, (feedback.created_at AT TIME ZONE insights.time_zone())::date AS day,
       feedback.student_id, subject.kind, subject.name,
       coalesce(revision.perceived_difficulty, feedback.perceived_difficulty) AS difficulty,
       coalesce(revision.sentiment, feedback.sentiment) AS sentiment,
       CASE WHEN feedback.concern NOT IN ('none', 'unassessed') AND revision.concern IN ('none', 'unassessed')
            THEN feedback.concern ELSE coalesce(revision.concern, feedback.concern) END AS concern,
       coalesce(revision.strategy_snapshot, feedback.strategy_snapshot) ? 'model' AS analyzed,
       1 AS number
FROM public.feedback
LEFT JOIN public.strategy_revision AS revision ON revision.feedback_id = feedback.id
CROSS JOIN LATERAL (
    SELECT 'all' AS kind, '' AS name
    UNION ALL SELECT 'task', left(feedback.task_id, 255) WHERE feedback.task_id IS NOT NULL
    UNION ALL SELECT 'topic', left(topic, 255) FROM jsonb_object_keys(
        CASE jsonb_typeof(coalesce(revision.topic_weights, feedback.topic_weights))
            WHEN 'object' THEN coalesce(revision.topic_weights, feedback.topic_weights)
            ELSE '{}' END) AS topic
) AS subject
UNION ALL
SELECT week::timestamp AT TIME ZONE 'UTC', week, NULL, CASE topic WHEN '' THEN 'all' ELSE 'topic' END,
       topic, perceived_difficulty, NULL, NULL, NULL, number::int
FROM public.feedback_count;

-- The history ends on a Monday in UTC, because deleted feedback is counted by such weeks. It ends an
-- hour late, because a row whose insert began before Monday may be committed after it. Without older
-- rows there is no history yet, so that rows of the past can be added without a roll-up.
CREATE MATERIALIZED VIEW insights.closed AS
SELECT CASE WHEN EXISTS (SELECT FROM insights.answer WHERE created_at < monday)
    THEN monday ELSE '-infinity' END AS at
FROM date_trunc('week', now() - interval '1 hour', 'UTC') AS monday;
CREATE UNIQUE INDEX ON insights.closed (at);

DO $$
DECLARE
    measures text;
    sums text;
    names text;
    period text;
BEGIN
    SELECT string_agg(format('coalesce(sum(number) FILTER (WHERE %s), 0) AS %I', condition, name), ', '
                      ORDER BY position),
           string_agg(format('sum(%I)::bigint AS %1$I', name), ', ' ORDER BY position),
           string_agg(format('%I bigint', name), ', ' ORDER BY position)
    INTO measures, sums, names
    FROM (
        SELECT * FROM (VALUES
            (1, 'answers', 'true'),
            (2, 'easy', $q$difficulty = 'easy'$q$),
            (3, 'ok', $q$difficulty = 'ok'$q$),
            (4, 'hard', $q$difficulty = 'hard'$q$),
            (5, 'analyzed', 'analyzed'),
            (6, 'unread', 'NOT analyzed')) AS fixed
        UNION ALL SELECT 10 + at, mood, format('sentiment = %L', mood)
        FROM unnest(ARRAY['positive', 'neutral', 'negative', 'frustrated', 'confused', 'bored', 'anxious'])
            WITH ORDINALITY AS moods (mood, at)
        UNION ALL SELECT 20 + at, 'concern_' || concern, format('concern = %L', concern)
        FROM unnest(ARRAY['self_harm', 'abuse', 'violence', 'bullying', 'other', 'unassessed'])
            WITH ORDINALITY AS concerns (concern, at)
    ) AS columns (position, name, condition);
    measures := measures || ', count(DISTINCT student_id) AS students';
    sums := sums || ', max(students) AS students';

    EXECUTE format('CREATE MATERIALIZED VIEW insights.history AS SELECT day, kind, name, %s '
        'FROM insights.answer WHERE created_at < (SELECT at FROM insights.closed) '
        'GROUP BY day, kind, name', measures);
    CREATE UNIQUE INDEX ON insights.history (kind, name, day);
    -- BETWEEN, because PostgreSQL expects a third of all rows beyond a limit that it does not know yet.
    EXECUTE format('CREATE VIEW insights.cell AS SELECT * FROM insights.history UNION ALL '
        'SELECT day, kind, name, %s FROM insights.answer WHERE created_at '
        'BETWEEN (SELECT at FROM insights.closed) AND (SELECT timestamptz ''infinity'' FROM insights.closed) '
        'GROUP BY day, kind, name', measures);
    -- `students` is the number of different students on the day with most of them.
    EXECUTE format('CREATE VIEW insights.daily AS SELECT day, kind, name, %s FROM insights.cell '
        'GROUP BY day, kind, name', sums);
    FOREACH period IN ARRAY ARRAY['week', 'month'] LOOP
        EXECUTE format('CREATE VIEW insights.%sly AS SELECT date_trunc(%1$L, day::timestamp)::date AS %1$I, kind, name, '
            '%s FROM insights.cell GROUP BY 1, kind, name', period, sums);
    END LOOP;
    -- A function, because PostgreSQL can't use the index on created_at for a condition on the hour.
    -- It counts whole hours, because a shorter time would single out one answer.
    EXECUTE format('CREATE FUNCTION insights.hours(since timestamptz, until timestamptz) '
        'RETURNS TABLE (hour timestamptz, kind text, name text, %s, students bigint) '
        'LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS %L',
        names, format('SELECT date_trunc(''hour'', created_at, insights.time_zone()) AS hour, kind, name, '
            '%s FROM insights.answer WHERE created_at >= date_trunc(''hour'', since, insights.time_zone()) '
            'AND created_at < date_trunc(''hour'', until - interval ''1 us'', insights.time_zone()) '
            '+ interval ''1 hour'' AND student_id IS NOT NULL GROUP BY hour, kind, name', measures));
    REVOKE EXECUTE ON FUNCTION insights.hours FROM PUBLIC;
    CREATE VIEW insights.hourly AS
    SELECT * FROM insights.hours(now() - interval '8 days', now() + interval '1 day');
END
$$;

-- The role, where this user may create one.
DO $$
BEGIN
    IF to_regrole('mentor_reader') IS NULL THEN
        CREATE ROLE mentor_reader NOLOGIN;
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN  -- another database was faster
        NULL;
    WHEN insufficient_privilege THEN
        RAISE WARNING 'could not create the role mentor_reader: %', SQLERRM
            USING HINT = 'A role that may create roles: CREATE ROLE mentor_reader NOLOGIN; then run this again.';
END
$$;
DO $$
BEGIN
    IF to_regrole('mentor_reader') IS NOT NULL THEN
        GRANT USAGE ON SCHEMA insights TO mentor_reader;
        GRANT EXECUTE ON FUNCTION insights.hours TO mentor_reader;
        GRANT SELECT ON insights.hourly, insights.daily, insights.weekly, insights.monthly
            TO mentor_reader;
    END IF;
END
$$;

COMMIT;
