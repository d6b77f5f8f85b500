-- What meters said about themselves: last gasps, restorations, tamper ... The first of one key stays, as in readings.
CREATE TABLE IF NOT EXISTS flexmeter.events_raw
(
    `meter` String,
    `at` DateTime64(3, 'UTC'),
    `kind` LowCardinality(String),
    `detail` String,
    `feeder` LowCardinality(String),
    `substation` LowCardinality(String),
    `quality` Int32,
    `source` LowCardinality(String),
    `received_at` DateTime64(3, 'UTC'),
    `inserted_at` DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC'),
    `version` UInt64,
    CONSTRAINT at_is_a_time CHECK `at` >= toDateTime64('1970-01-01 00:00:00', 3, 'UTC') AND `at` < toDateTime64('2200-01-01 00:00:00', 3, 'UTC')
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (meter, at, kind);

CREATE OR REPLACE VIEW flexmeter.events AS
SELECT `meter`, `at`, `kind`, `detail`, `feeder`, `substation`, `quality`, `source`, `received_at`, `inserted_at`
FROM flexmeter.events_raw FINAL;
