-- What windows.sql writes to in PostgreSQL; rerunnable. Any database will do: the topic has all of it.

CREATE SCHEMA IF NOT EXISTS insights_stream;

-- Windows of an hour. With slide_minutes = 60 they follow one another, with 10 they overlap.
CREATE TABLE IF NOT EXISTS insights_stream.difficulty (
    slide_minutes int,
    window_start timestamptz,
    kind text, -- all, task or topic
    name text,
    answers bigint NOT NULL,
    easy bigint NOT NULL,
    ok bigint NOT NULL,
    hard bigint NOT NULL,
    hard_share double precision NOT NULL,
    PRIMARY KEY (slide_minutes, window_start, kind, name)
);

-- Records that no window counts, by the day on which Kafka got them: `late` or `broken`, as in feedback.sql.
CREATE TABLE IF NOT EXISTS insights_stream.uncounted (
    day date, -- in UTC
    verdict text,
    records bigint NOT NULL,
    PRIMARY KEY (day, verdict)
);

-- The role that Flink's login is a member of. It may do nothing else.
DO $$
BEGIN
    IF to_regrole('mentor_flink') IS NULL THEN
        CREATE ROLE mentor_flink NOLOGIN;
    END IF;
END
$$;
GRANT USAGE ON SCHEMA insights_stream TO mentor_flink;
GRANT SELECT, INSERT, UPDATE, DELETE ON insights_stream.difficulty, insights_stream.uncounted TO mentor_flink;
