-- Counts answers by hour, task and topic, as insights/views.sql does. Begins with feedback.sql.
--
-- Variables: those of feedback.sql, PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSWORD and PGSSLMODE.

SET 'pipeline.name' = 'mentor-windows';
-- Longer than any record that counts can take: a week until Kafka has it, and as long as it stays there
-- (8 days and 6 minutes). So no repeat and no revision finds its answer forgotten.
SET 'table.exec.state.ttl' = '16 d';
-- One update of a window in five seconds, not one for each answer.
SET 'table.exec.mini-batch.enabled' = 'true';
SET 'table.exec.mini-batch.allow-latency' = '5 s';
SET 'table.exec.mini-batch.size' = '5000';

-- A record that comes later than this has no window that could take it.
CREATE TEMPORARY VIEW in_time AS
SELECT * FROM strategy WHERE `arrived_at` <= `answered_at` + INTERVAL '7' DAY;

-- Each answer once, with its latest strategy. Repeats have the same id and bring nothing new.
CREATE TEMPORARY VIEW answer AS
SELECT `feedback_id`, `answered_at`, `task_id`, `difficulty`, `topic_weights`
FROM (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY `feedback_id` ORDER BY `revision` DESC) AS `rank`
    FROM (
        SELECT `feedback_id`, `answered_at`, `revision`, `task_id`, `difficulty`, `topic_weights`
        FROM in_time
    )
)
WHERE `rank` = 1;

-- As in the view insights.answer: once as a whole, once for the task, once for each topic.
CREATE TEMPORARY VIEW subject AS
SELECT `answered_at`, `difficulty`, 'all' AS `kind`, '' AS `name` FROM answer
UNION ALL
SELECT `answered_at`, `difficulty`, 'task', SUBSTRING(`task_id`, 1, 255) FROM answer WHERE `task_id` IS NOT NULL
UNION ALL
SELECT `answered_at`, `difficulty`, 'topic', SUBSTRING(`topic`, 1, 255)
FROM answer CROSS JOIN UNNEST(JSON_QUERY(`topic_weights`, '$.keys()' RETURNING ARRAY<STRING>)) AS `t` (`topic`);

-- Windows are an hour long. One begins every hour (tumbling), and one every ten minutes (sliding).
-- These are groups, not windows with a watermark, which would drop what comes later.
CREATE TEMPORARY VIEW difficulty_window AS
SELECT
    `slide_minutes`,
    `window_start`,
    `kind`,
    `name`,
    COUNT(*) AS `answers`,
    COUNT(*) FILTER (WHERE `difficulty` = 'easy') AS `easy`,
    COUNT(*) FILTER (WHERE `difficulty` = 'ok') AS `ok`,
    COUNT(*) FILTER (WHERE `difficulty` = 'hard') AS `hard`
FROM (
    SELECT
        `slide_minutes`,
        TIMESTAMPADD(MINUTE, -`minutes_before`, CASE `slide_minutes`
            WHEN 60 THEN FLOOR(CAST(`answered_at` AS TIMESTAMP(3)) TO HOUR)
            ELSE TIMESTAMPADD(MINUTE, CAST(EXTRACT(MINUTE FROM CAST(`answered_at` AS TIMESTAMP(3))) AS INT) / 10 * 10, FLOOR(CAST(`answered_at` AS TIMESTAMP(3)) TO HOUR)) END) AS `window_start`,
        `kind`,
        `name`,
        `difficulty`
    FROM subject CROSS JOIN UNNEST(ARRAY[
        ROW(60, 0), ROW(10, 0), ROW(10, 10), ROW(10, 20), ROW(10, 30), ROW(10, 40), ROW(10, 50)
    ]) AS `w` (`slide_minutes`, `minutes_before`)
)
GROUP BY `slide_minutes`, `window_start`, `kind`, `name`;

CREATE TEMPORARY VIEW difficulty AS
SELECT
    `slide_minutes`,
    DATE_FORMAT(`window_start`, 'yyyy-MM-dd''T''HH:mm:ss''Z''') AS `window_start`,
    `kind`, `name`, `answers`, `easy`, `ok`, `hard`,
    CAST(`hard` AS DOUBLE) / `answers` AS `hard_share`
FROM difficulty_window;

CREATE TEMPORARY TABLE difficulty_topic (
    `slide_minutes` INT,
    `window_start` STRING,
    `kind` STRING,
    `name` STRING,
    `answers` BIGINT,
    `easy` BIGINT,
    `ok` BIGINT,
    `hard` BIGINT,
    `hard_share` DOUBLE,
    PRIMARY KEY (`slide_minutes`, `window_start`, `kind`, `name`) NOT ENFORCED
) WITH (
    'connector' = 'upsert-kafka',
    'topic' = 'mentor.insights.difficulty',
    'properties.bootstrap.servers' = '${KAFKA_BOOTSTRAP_SERVERS}',
    'properties.transaction.timeout.ms' = '900000', -- the most that brokers allow by default
    'sink.delivery-guarantee' = 'exactly-once',
    'sink.transactional-id-prefix' = 'mentor-windows',
    'key.format' = 'json',
    'value.format' = 'json'
);

CREATE TEMPORARY TABLE difficulty_table (
    `slide_minutes` INT,
    `window_start` STRING,
    `kind` STRING,
    `name` STRING,
    `answers` BIGINT,
    `easy` BIGINT,
    `ok` BIGINT,
    `hard` BIGINT,
    `hard_share` DOUBLE,
    PRIMARY KEY (`slide_minutes`, `window_start`, `kind`, `name`) NOT ENFORCED
) WITH (
    'connector' = 'jdbc',
    'url' = 'jdbc:postgresql://${PGHOST}:${PGPORT}/${PGDATABASE}?sslmode=${PGSSLMODE}&stringtype=unspecified',
    'username' = '${PGUSER}',
    'password' = '${PGPASSWORD}',
    'table-name' = 'insights_stream.difficulty'
);

EXECUTE STATEMENT SET
BEGIN
INSERT INTO difficulty_topic SELECT * FROM difficulty;
INSERT INTO difficulty_table SELECT * FROM difficulty;
END;
