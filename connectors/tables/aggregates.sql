-- Results of rolling_load: a row a window of one quantity of one meter.
-- By window, quantity and day first: a question is about few of each, and what days do not share need not be merged for
-- FINAL. Within a day by meter: one meter's day lies together.
-- version = operator_version * 2^32 + revision; a revision above 0 was computed again because rows came late.
CREATE TABLE IF NOT EXISTS flexmeter.aggregates_raw
(
    `meter` String CODEC(ZSTD(1)),
    `quantity` LowCardinality(String),
    `window` LowCardinality(String),
    `start` DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    `end` DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    `count` Int64 CODEC(T64, ZSTD(1)),
    `mean` Float64 CODEC(ZSTD(1)),
    `min` Float64 CODEC(ZSTD(1)),
    `max` Float64 CODEC(ZSTD(1)),
    `energy_trapezoid_wh` Float64 CODEC(ZSTD(1)),
    `register_difference` Float64 CODEC(ZSTD(1)),
    `covered_ms` Int64 CODEC(T64, ZSTD(1)),
    `quality` Int32 CODEC(T64, ZSTD(1)),
    `version` UInt64 CODEC(T64, ZSTD(1)),
    `inserted_at` DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    INDEX by_inserted_at `inserted_at` TYPE minmax GRANULARITY 1,
    CONSTRAINT start_is_a_time CHECK `start` >= toDateTime64('1970-01-01 00:00:00', 3, 'UTC') AND `start` < toDateTime64('2200-01-01 00:00:00', 3, 'UTC')
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (window, quantity, toDate32(start), meter, start);

-- As in readings: the day in the key does not serve a range of `start`.
ALTER TABLE flexmeter.aggregates_raw
    ADD INDEX IF NOT EXISTS by_start `start` TYPE minmax GRANULARITY 1;

CREATE OR REPLACE VIEW flexmeter.aggregates AS
SELECT
    `meter`, `quantity`, `window`, `start`, `end`, `count`, `mean`, `min`, `max`,
    `energy_trapezoid_wh`, `register_difference`, `covered_ms`, `quality`,
    intDiv(`version`, 4294967296) AS `operator_version`,
    `version` % 4294967296 AS `revision`,
    `inserted_at`
FROM flexmeter.aggregates_raw FINAL;

-- Ten-minute means of each meter's voltages, on which EN 50160 (4.2.2.2) sets its band, from the one-minute means.
CREATE OR REPLACE VIEW flexmeter.voltages_10min AS
SELECT `meter`, `quantity`, `ten_minutes` AS `start`, `mean_v`, `min_v`, `max_v`
FROM
(
    SELECT
        `meter`, `quantity`, toStartOfInterval(`start`, INTERVAL 10 MINUTE) AS `ten_minutes`,
        sum(`mean` * `count`) / sum(`count`) AS `mean_v`, min(`min`) AS `min_v`, max(`max`) AS `max_v`
    FROM flexmeter.aggregates_raw FINAL
    WHERE `window` = '1min' AND `quantity` IN ('voltage_v', 'voltage_l1_v', 'voltage_l2_v', 'voltage_l3_v') AND `count` > 0
    GROUP BY `meter`, `quantity`, `ten_minutes`
);
