-- Results of outage: what the indices of IEEE 1366 are made of, per feeder and day (UTC; feeder empty: at the substation itself).
-- version = operator_version * 2^32 + revision. An interruption counts to the day on which it began, once it is over.
CREATE TABLE IF NOT EXISTS flexmeter.reliability_raw
(
    `substation` LowCardinality(String),
    `feeder` LowCardinality(String),
    `start` DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    `customers` Int64 CODEC(T64, ZSTD(1)),
    `sustained_interruptions` Int64 CODEC(T64, ZSTD(1)),
    `sustained_ms` Int64 CODEC(T64, ZSTD(1)),
    `momentary_events` Int64 CODEC(T64, ZSTD(1)),
    `interrupted_ms` Int64 CODEC(T64, ZSTD(1)),
    `version` UInt64 CODEC(T64, ZSTD(1)),
    `inserted_at` DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (substation, feeder, start);

CREATE OR REPLACE VIEW flexmeter.reliability AS
SELECT
    `substation`, `feeder`, `start`, `customers`, `sustained_interruptions`, `sustained_ms`, `momentary_events`, `interrupted_ms`,
    intDiv(`version`, 4294967296) AS `operator_version`,
    `version` % 4294967296 AS `revision`,
    `inserted_at`
FROM flexmeter.reliability_raw FINAL;
