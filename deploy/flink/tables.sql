-- The tables of PostgreSQL that windows.sql writes to; rerunnable. A stream can be read again, so they
-- may be in any database, and need no backup.

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
