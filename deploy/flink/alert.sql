-- An example of an alert: the share of "hard" among the answers to a task doubled within an hour. Begins
-- with feedback.sql.

SET 'pipeline.name' = 'mentor-alert';
-- A partition without records does not stop the clock of the others.
SET 'table.exec.source.idle-timeout' = '30 s';

-- A revision comes too late for an alert.
CREATE TEMPORARY VIEW first_strategy AS
SELECT `id`, `task_id`, `perceived_difficulty`, `happened_at`
FROM strategy
WHERE `verdict` = 'counted' AND NOT `is_revision` AND `task_id` IS NOT NULL;

-- Two hours, every ten minutes: the last hour, and the hour before it. Repeats have the same id.
CREATE TEMPORARY VIEW two_hours AS
SELECT
    `task_id`, `window_end`, `window_time`,
    COUNT(DISTINCT `id`) FILTER (WHERE `is_recent`) AS `answers`,
    COUNT(DISTINCT `id`) FILTER (WHERE `is_recent` AND `perceived_difficulty` = 'hard') AS `hard`,
    COUNT(DISTINCT `id`) FILTER (WHERE NOT `is_recent`) AS `answers_before`,
    COUNT(DISTINCT `id`) FILTER (WHERE NOT `is_recent` AND `perceived_difficulty` = 'hard') AS `hard_before`
FROM (
    SELECT *, CAST(`happened_at` AS TIMESTAMP(3)) >= `window_start` + INTERVAL '1' HOUR AS `is_recent`
    FROM TABLE(HOP(TABLE first_strategy, DESCRIPTOR(`happened_at`), INTERVAL '10' MINUTES, INTERVAL '2' HOURS))
)
GROUP BY `task_id`, `window_start`, `window_end`, `window_time`;

-- Twice the share, of at least twenty answers in each hour, and more than chance explains: three standard
-- errors of the difference of two shares.
CREATE TEMPORARY VIEW surge AS
SELECT *
FROM (
    SELECT *,
        CAST(`hard` AS DOUBLE) / `answers` AS `hard_share`,
        CAST(`hard_before` AS DOUBLE) / `answers_before` AS `hard_share_before`,
        CAST(`hard` + `hard_before` AS DOUBLE) / (`answers` + `answers_before`) AS `both`
    FROM two_hours
    WHERE `answers` >= 20 AND `answers_before` >= 20
)
WHERE `hard_share` >= 2 * `hard_share_before`
    AND `hard_share` - `hard_share_before`
        > 3 * SQRT(`both` * (1 - `both`) * (1e0 / `answers` + 1e0 / `answers_before`));

CREATE TEMPORARY TABLE alert_topic (
    `task_id` STRING,
    `window_end` TIMESTAMP_LTZ(3),
    `answers` BIGINT,
    `hard_share` DOUBLE,
    `hard_share_before` DOUBLE
) WITH (
    'connector' = 'kafka',
    'topic' = 'mentor.insights.alerts',
    'properties.bootstrap.servers' = '${KAFKA_BOOTSTRAP_SERVERS}',
    'properties.transaction.timeout.ms' = '900000', -- the most that brokers allow by default
    'sink.delivery-guarantee' = 'exactly-once',
    'sink.transactional-id-prefix' = 'mentor-alert',
    'key.format' = 'raw',
    'key.fields' = 'task_id',
    'value.format' = 'json',
    'value.json.timestamp-format.standard' = 'ISO-8601'
);

-- Only the first window of a surge.
INSERT INTO alert_topic
SELECT `task_id`, CAST(`window_end` AS TIMESTAMP_LTZ(3)), `answers`, `hard_share`, `hard_share_before`
FROM (
    SELECT *, COUNT(*) OVER (
        PARTITION BY `task_id` ORDER BY `window_time` RANGE BETWEEN INTERVAL '1' HOUR PRECEDING AND CURRENT ROW
    ) AS `surges`
    FROM surge
)
WHERE `surges` = 1;
