-- Results of nilm: what ran in a home and when. version = operator_version * 2^32 + revision; revision 0 was told first.
CREATE TABLE IF NOT EXISTS flexmeter.appliance_events_raw
(
    `meter` String CODEC(ZSTD(1)),
    `number` Int64 CODEC(DoubleDelta, ZSTD(1)),
    `state` LowCardinality(String),
    `appliance` LowCardinality(String),
    `decided_at` DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    `start` DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    `end` DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    `power_w` Float64 CODEC(ZSTD(1)),
    `energy_wh` Float64 CODEC(ZSTD(1)),
    `confidence` Float64 CODEC(ZSTD(1)),
    `version` UInt64 CODEC(T64, ZSTD(1)),
    `inserted_at` DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (meter, number);

CREATE OR REPLACE VIEW flexmeter.appliance_events AS
SELECT
    `meter`, `number`, `state`, `appliance`, `decided_at`, `start`, `end`, `power_w`, `energy_wh`, `confidence`,
    intDiv(`version`, 4294967296) AS `operator_version`,
    `version` % 4294967296 AS `revision`,
    `inserted_at`
FROM flexmeter.appliance_events_raw FINAL;
