-- Results of anomaly: each quarter of an hour of a meter's load, what was expected of it, and how rare what came is.
-- version = operator_version.
CREATE TABLE IF NOT EXISTS flexmeter.anomaly_scores_raw
(
    `meter` String CODEC(ZSTD(1)),
    `start` DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    `end` DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    `unit` LowCardinality(String),
    `load` Float64 CODEC(ZSTD(1)),
    `expected` Float64 CODEC(ZSTD(1)),
    `low` Float64 COMMENT 'about 98 of 100 quarters lie in low .. high' CODEC(ZSTD(1)),
    `high` Float64 CODEC(ZSTD(1)),
    `rarity_decades` Float64 COMMENT '0 while the meter is learned' CODEC(ZSTD(1)),
    `state` LowCardinality(String) COMMENT 'learning, usual, unusual, alerted',
    `version` UInt64 CODEC(T64, ZSTD(1)),
    `inserted_at` DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (toDate32(start), meter, start);

-- As in readings. (A table that version 3 or an earlier one made keeps its order, by meter: docs/operations.md.)
ALTER TABLE flexmeter.anomaly_scores_raw
    ADD INDEX IF NOT EXISTS by_start `start` TYPE minmax GRANULARITY 1;

CREATE OR REPLACE VIEW flexmeter.anomaly_scores AS
SELECT
    `meter`, `start`, `end`, `unit`, `load`, `expected`, `low`, `high`, `rarity_decades`, `state`,
    `version` AS `operator_version`,
    `inserted_at`
FROM flexmeter.anomaly_scores_raw FINAL;
