-- The meters that have reported, and the place of each in the grid by the register at that time (empty: unknown).
CREATE TABLE IF NOT EXISTS flexmeter.meters_raw
(
    `meter` String,
    `profile` LowCardinality(String),
    `feeder` LowCardinality(String),
    `interval_ms` Int64,
    `version` UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (meter, profile);

ALTER TABLE flexmeter.meters_raw
    ADD COLUMN IF NOT EXISTS `substation` LowCardinality(String) AFTER `feeder`;

CREATE OR REPLACE VIEW flexmeter.meters AS
SELECT `meter`, `profile`, `feeder`, `substation`, `interval_ms`
FROM flexmeter.meters_raw FINAL;
