-- Counts answers by hour, task and topic, as insights/views.sql does. Begins with feedback.sql.
--
-- Variables: those of feedback.sql, PGHOST, PGPORT, PGDATABASE, PGUSER and PGSSLMODE. The password is not
-- among them, because Flink prints what it runs: PostgreSQL's driver reads the file that PGPASSFILE names.

SET 'pipeline.name' = 'mentor-windows';
-- A record counts if Kafka got it within a week after the answer, and it stays in Kafka for at most 8 days
-- and 6 minutes. So no repeat, no revision and no further answer comes after its state has expired.
SET 'table.exec.state.ttl' = '16 d';
-- The sinks below write a window once in five seconds, not once for each answer. Mini-batches would do the
-- same. But if a batch after a restart had both an answer and its revision, a topic that the revision removes
-- would never be taken back.

-- Each answer once. A repeat brings nothing new. A revision takes the place of the first strategy.
-- `names` are those of the task and the topics: JSON_QUERY can't return the keys as an array at once.
CREATE TEMPORARY VIEW answer AS
SELECT `answered_at`, `difficulty`, `names`
FROM (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY `answer_id` ORDER BY `is_revision` DESC) AS `rank`
    FROM (
        SELECT
            `answer_id`, `answered_at`, `is_revision`, `perceived_difficulty` AS `difficulty`,
            ARRAY_CONCAT(ARRAY['', `task_id`], JSON_QUERY(
                COALESCE(JSON_QUERY(`topic_weights`, '$.keys()'), '[]'), '$' RETURNING ARRAY<STRING>
            )) AS `names`
        FROM strategy
        WHERE `verdict` = 'counted'
    )
)
WHERE `rank` = 1;

-- As in the view insights.answer: once as a whole, once for its task, once for each of its topics.
-- PostgreSQL has no place for the character 0.
CREATE TEMPORARY VIEW subject AS
SELECT
    `answered_at`, `difficulty`,
    CASE `position` WHEN 1 THEN 'all' WHEN 2 THEN 'task' ELSE 'topic' END AS `kind`,
    REGEXP_REPLACE(SUBSTRING(`name`, 1, 255), '\x00', '') AS `name`
FROM answer CROSS JOIN UNNEST(`names`) WITH ORDINALITY AS `subjects` (`name`, `position`)
WHERE `name` IS NOT NULL;

-- Windows of an hour. One begins each hour (tumbling windows), and one each ten minutes (sliding windows).
-- They are groups without a watermark, so an answer that comes later corrects its windows.
CREATE TEMPORARY VIEW difficulty AS
SELECT
    `slide_minutes`, `window_start`, `kind`, `name`,
    COUNT(*) AS `answers`,
    COUNT(*) FILTER (WHERE `difficulty` = 'easy') AS `easy`,
    COUNT(*) FILTER (WHERE `difficulty` = 'ok') AS `ok`,
    COUNT(*) FILTER (WHERE `difficulty` = 'hard') AS `hard`,
    CAST(COUNT(*) FILTER (WHERE `difficulty` = 'hard') AS DOUBLE) / COUNT(*) AS `hard_share`
FROM (
    -- `minute` counts minutes since 1970, and `minute_10` is the latest that begins ten minutes. The start is
    -- a text, because the JDBC connector has no type for PostgreSQL's timestamptz.
    SELECT
        `slide_minutes`, `kind`, `name`, `difficulty`,
        DATE_FORMAT(TO_TIMESTAMP_LTZ(`minute` * 60, 0), 'yyyy-MM-dd''T''HH:mm:ss''Z''') AS `window_start`
    FROM (SELECT *, EXTRACT(EPOCH FROM `answered_at`) / 600 * 10 AS `minute_10` FROM subject)
    CROSS JOIN UNNEST(ARRAY[
        ROW(60, `minute_10` / 60 * 60),
        ROW(10, `minute_10`), ROW(10, `minute_10` - 10), ROW(10, `minute_10` - 20),
        ROW(10, `minute_10` - 30), ROW(10, `minute_10` - 40), ROW(10, `minute_10` - 50)
    ]) AS `windows` (`slide_minutes`, `minute`)
    WHERE `minute` * 60 >= EXTRACT(EPOCH FROM CAST('${INSIGHTS_SINCE}' AS TIMESTAMP_LTZ(3)))
)
GROUP BY `slide_minutes`, `window_start`, `kind`, `name`;

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
    'sink.buffer-flush.interval' = '5 s',
    'sink.buffer-flush.max-rows' = '5000',
    'key.format' = 'json',
    'value.format' = 'json'
);

CREATE TEMPORARY TABLE difficulty_table WITH (
    'connector' = 'jdbc',
    -- stringtype: PostgreSQL reads a text as the type of its column.
    'url' = 'jdbc:postgresql://${PGHOST}:${PGPORT}/${PGDATABASE}?user=${PGUSER}&sslmode=${PGSSLMODE}&stringtype=unspecified',
    'table-name' = 'insights_stream.difficulty',
    'sink.buffer-flush.interval' = '5 s',
    'sink.buffer-flush.max-rows' = '5000'
) LIKE difficulty_topic (EXCLUDING OPTIONS);

CREATE TEMPORARY TABLE uncounted_table (
    `day` STRING,
    `verdict` STRING,
    `records` BIGINT,
    PRIMARY KEY (`day`, `verdict`) NOT ENFORCED
) WITH (
    'connector' = 'jdbc',
    'url' = 'jdbc:postgresql://${PGHOST}:${PGPORT}/${PGDATABASE}?user=${PGUSER}&sslmode=${PGSSLMODE}&stringtype=unspecified',
    'table-name' = 'insights_stream.uncounted',
    'sink.buffer-flush.interval' = '5 s'
);

EXECUTE STATEMENT SET
BEGIN
INSERT INTO difficulty_topic SELECT * FROM difficulty;
INSERT INTO difficulty_table SELECT * FROM difficulty;
INSERT INTO uncounted_table
SELECT `day`, `verdict`, COUNT(*)
FROM (
    SELECT DATE_FORMAT(`arrived_at`, 'yyyy-MM-dd') AS `day`, `verdict`
    FROM strategy
    WHERE `verdict` IN ('broken', 'late')
)
GROUP BY `day`, `verdict`;
END;
