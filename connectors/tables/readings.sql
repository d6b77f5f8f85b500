-- What meters reported: a row a reading, a column for each quantity of the catalogue, NaN = not measured.
-- Wide, because a reading's quantities come together: twice the rows/s of (meter, quantity, at, value), and smaller.
-- Of two readings with one key the first in Kafka's log stays, as in the streams: `version` falls along the log.
-- By day first: of questions about few days, parts of other days need not be merged for FINAL.
-- No PARTITION BY: a meter's wrong clock may write any year, and one insert may not make more than 100 partitions.
CREATE TABLE IF NOT EXISTS flexmeter.readings_raw
(
    `meter` String CODEC(ZSTD(1)),
    `profile` LowCardinality(String),
    `at` DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    `quality` Int32 CODEC(T64, ZSTD(1)),
    `sequence` Int64 CODEC(DoubleDelta, ZSTD(1)),
    `source` LowCardinality(String),
    `received_at` DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    `inserted_at` DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    `version` UInt64 CODEC(DoubleDelta, ZSTD(1)),
    INDEX by_inserted_at `inserted_at` TYPE minmax GRANULARITY 1,
    CONSTRAINT meter_is_named CHECK `meter` != '',
    CONSTRAINT at_is_a_time CHECK `at` >= toDateTime64('1970-01-01 00:00:00', 3, 'UTC') AND `at` < toDateTime64('2200-01-01 00:00:00', 3, 'UTC')
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (toDate32(at), meter, profile, at);

ALTER TABLE flexmeter.readings_raw
    ADD COLUMN IF NOT EXISTS `{quantity}` Float64 DEFAULT nan COMMENT '{comment}' CODEC(ZSTD(1));

-- What finds those days: a range of `at` is looked for where the key has `at` itself, which is last, not in the day.
-- (Rows from before this index have none until they are merged. From ClickHouse 25.6 on it serves FINAL, too.)
ALTER TABLE flexmeter.readings_raw
    ADD INDEX IF NOT EXISTS by_at `at` TYPE minmax GRANULARITY 1;

CREATE OR REPLACE VIEW flexmeter.readings AS
SELECT * FROM flexmeter.readings_raw FINAL;

-- How many readings each meter sent in each hour, beside how many its interval promises. An hour in which a meter sent
-- nothing has no row: count such hours from `meters`.
CREATE OR REPLACE VIEW flexmeter.completeness AS
SELECT
    `meter`, `profile`, `feeder`, `substation`, `hour`, `first_at`, `received`,
    3600000 / greatest(`interval_ms`, 1) AS `expected`
FROM
(
    SELECT `meter`, `profile`, toStartOfHour(`at`) AS `hour`, min(`at`) AS `first_at`, count() AS `received`
    FROM flexmeter.readings_raw FINAL
    WHERE bitAnd(`quality`, 4) = 0
    GROUP BY `meter`, `profile`, `hour`
) AS received
INNER JOIN flexmeter.meters AS meters USING (`meter`, `profile`);
