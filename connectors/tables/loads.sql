-- Results of substation_balance: the load of each feeder, and of each substation as a whole (feeder empty), by the quarter hour.
-- version = operator_version * 2^32 + revision; the revision is the number of meters summed so far, and 2^20 for each
-- time that it was computed again because rows came late.
CREATE TABLE IF NOT EXISTS flexmeter.loads_raw
(
    `substation` LowCardinality(String),
    `feeder` LowCardinality(String),
    `start` DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    `meters` Int64 CODEC(T64, ZSTD(1)),
    `energy_wh` Float64 CODEC(ZSTD(1)),
    `covered_ms` Int64 CODEC(T64, ZSTD(1)),
    `infeed_wh` Float64 CODEC(ZSTD(1)),
    `version` UInt64 CODEC(T64, ZSTD(1)),
    `inserted_at` DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (substation, feeder, start);

CREATE OR REPLACE VIEW flexmeter.loads AS
SELECT
    `substation`, `feeder`, `start`, `meters`, `energy_wh`, `covered_ms`, `infeed_wh`,
    intDiv(`version`, 4294967296) AS `operator_version`,
    `version` % 4294967296 AS `revision`,
    intDiv(`version` % 4294967296, 1048576) AS `recomputed`,
    `inserted_at`
FROM flexmeter.loads_raw FINAL;
