-- The answers on the topic mentor.feedback. windows.sql and alert.sql begin with this file.
--
-- Variables: KAFKA_BOOTSTRAP_SERVERS, and INSIGHTS_SINCE, the hour of the first window (README.md).

SET 'table.local-time-zone' = 'UTC';
SET 'execution.checkpointing.interval' = '10 s';
SET 'execution.checkpointing.mode' = 'EXACTLY_ONCE';

-- Without the message: Flink reads the fields that are named here, and keeps no other.
CREATE TEMPORARY TABLE feedback (
    `id` STRING,
    `student_id` STRING,
    `feedback_id` STRING, -- of a revision
    `task_id` STRING,
    `perceived_difficulty` STRING,
    `topic_weights` STRING,
    `created_at` TIMESTAMP_LTZ(3),
    `feedback_created_at` TIMESTAMP_LTZ(3), -- of a revision
    `headers` MAP<STRING, BYTES> METADATA VIRTUAL,
    `arrived_at` TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL, -- when Kafka stored the record
    `type` AS CAST(`headers`['ce_type'] AS STRING),
    -- Never null and never in the future: one foreign record would stop the job, or its clock.
    `happened_at` AS CASE WHEN `created_at` < `arrived_at` THEN `created_at` ELSE `arrived_at` END,
    WATERMARK FOR `happened_at` AS `happened_at` - INTERVAL '1' MINUTE
) WITH (
    'connector' = 'kafka',
    'topic' = 'mentor.feedback',
    'properties.bootstrap.servers' = '${KAFKA_BOOTSTRAP_SERVERS}',
    'properties.isolation.level' = 'read_committed',
    'scan.startup.mode' = 'earliest-offset',
    'format' = 'json',
    'json.timestamp-format.standard' = 'ISO-8601',
    'json.ignore-parse-errors' = 'true'
);

-- Each record that keeps the contract. `answered_at` is when the student answered, also of a revision.
CREATE TEMPORARY VIEW strategy AS
SELECT *
FROM (
    SELECT
        CASE `type` WHEN 'mentor.strategy.updated' THEN `id` ELSE `feedback_id` END AS `feedback_id`,
        `student_id`,
        CASE `type` WHEN 'mentor.strategy.updated' THEN `created_at` ELSE `feedback_created_at` END AS `answered_at`,
        `arrived_at`,
        `happened_at`,
        CASE `type` WHEN 'mentor.strategy.updated' THEN 0 ELSE 1 END AS `revision`,
        `task_id`,
        `perceived_difficulty` AS `difficulty`,
        `topic_weights`
    FROM feedback
    WHERE `type` IN ('mentor.strategy.updated', 'mentor.strategy.revised')
        AND CAST(`headers`['ce_id'] AS STRING) = `id`
)
WHERE REGEXP(`feedback_id`, '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')
    AND REGEXP(`student_id`, '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')
    AND `difficulty` IN ('easy', 'ok', 'hard')
    AND `answered_at` >= CAST('${INSIGHTS_SINCE}' AS TIMESTAMP_LTZ(3));
