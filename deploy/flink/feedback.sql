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

-- Each strategy, and whether the windows count it. `answered_at` is when the student answered, also of a
-- revision. `verdict` is
--   broken   the record breaks the contract in docs/events.md
--   old      the answer is older than the first window
--   late     Kafka got the record more than a week after the answer
--   counted  all others
CREATE TEMPORARY VIEW strategy AS
SELECT *,
    CASE
        WHEN (`id` = CAST(`headers`['ce_id'] AS STRING)
            AND REGEXP(`id`, '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')
            AND REGEXP(`answer_id`, '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')
            AND REGEXP(`student_id`, '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')
            AND `perceived_difficulty` IN ('easy', 'ok', 'hard')
            AND `answered_at` < CAST('9999-12-31 00:00:00' AS TIMESTAMP_LTZ(3))) IS NOT TRUE THEN 'broken'
        WHEN `answered_at` < CAST('${INSIGHTS_SINCE}' AS TIMESTAMP_LTZ(3)) THEN 'old'
        WHEN `arrived_at` > `answered_at` + INTERVAL '7' DAY THEN 'late'
        ELSE 'counted'
    END AS `verdict`
FROM (
    SELECT *,
        `type` = 'mentor.strategy.revised' AS `is_revision`,
        CASE `type` WHEN 'mentor.strategy.revised' THEN `feedback_id` ELSE `id` END AS `answer_id`,
        CASE `type` WHEN 'mentor.strategy.revised' THEN `feedback_created_at` ELSE `created_at` END AS `answered_at`
    FROM feedback
    WHERE `type` IN ('mentor.strategy.updated', 'mentor.strategy.revised')
);
