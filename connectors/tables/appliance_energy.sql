-- Results of nilm: energy of each appliance of a home by window; remainder = mains less all others.
-- version = operator_version * 2^32 + revision.
CREATE TABLE IF NOT EXISTS flexmeter.appliance_energy_raw
(
    `meter` String CODEC(ZSTD(1)),
    `appliance` LowCardinality(String),
    `window` LowCardinality(String),
    `start` DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    `end` DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    `energy_wh` Float64 CODEC(ZSTD(1)),
    `covered_ms` Int64 CODEC(T64, ZSTD(1)),
    `version` UInt64 CODEC(T64, ZSTD(1)),
    `inserted_at` DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (meter, appliance, window, start);

CREATE OR REPLACE VIEW flexmeter.appliance_energy AS
SELECT
    `meter`, `appliance`, `window`, `start`, `end`, `energy_wh`, `covered_ms`,
    intDiv(`version`, 4294967296) AS `operator_version`,
    `version` % 4294967296 AS `revision`,
    `inserted_at`
FROM flexmeter.appliance_energy_raw FINAL;
