CREATE TABLE IF NOT EXISTS flexmeter.accounts_raw
(
    `stream` LowCardinality(String),
    `partition` Int32,
    `next_offset` Int64,
    `at` DateTime64(3, 'UTC'),
    `meters` Int64,
    `received` Int64,
    `duplicates` Int64,
    `conflicts` Int64,
    `late` Int64,
    `future` Int64,
    `pending` Int64,
    `released` Int64,
    `version` UInt64,
    `inserted_at` DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (stream, partition);

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

ALTER TABLE flexmeter.aggregates_raw
    ADD INDEX IF NOT EXISTS by_start `start` TYPE minmax GRANULARITY 1;

CREATE TABLE IF NOT EXISTS flexmeter.alert_deliveries_raw
(
    `router` LowCardinality(String),
    `alert` String,
    `number` Int64,
    `outcome` LowCardinality(String),
    `told` UInt8 COMMENT 'this version or an earlier one was delivered',
    `at` DateTime64(3, 'UTC'),
    `version` UInt64,
    `inserted_at` DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (router, alert, number);

CREATE TABLE IF NOT EXISTS flexmeter.alert_marks_raw
(
    `id` String,
    `mark` LowCardinality(String),
    `alert` String,
    `kind` LowCardinality(String),
    `subject` String,
    `area` LowCardinality(String),
    `severity` LowCardinality(String),
    `at` DateTime64(3, 'UTC'),
    `until` DateTime64(3, 'UTC') COMMENT '1970 = as long as the alert lasts',
    `by` String,
    `reason` String,
    `version` UInt64,
    `inserted_at` DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (id);

CREATE TABLE IF NOT EXISTS flexmeter.alerts_raw
(
    `id` String,
    `number` Int64,
    `kind` LowCardinality(String),
    `severity` LowCardinality(String),
    `state` LowCardinality(String),
    `subject` String,
    `feeder` LowCardinality(String),
    `substation` LowCardinality(String),
    `at` DateTime64(3, 'UTC'),
    `raised_at` DateTime64(3, 'UTC'),
    `summary` String,
    `evidence` String COMMENT 'JSON',
    `inserted_at` DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC'),
    CONSTRAINT at_is_a_time CHECK `at` >= toDateTime64('1970-01-01 00:00:00', 3, 'UTC') AND `at` < toDateTime64('2200-01-01 00:00:00', 3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY (id, number);

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

ALTER TABLE flexmeter.anomaly_scores_raw
    ADD INDEX IF NOT EXISTS by_start `start` TYPE minmax GRANULARITY 1;

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

CREATE TABLE IF NOT EXISTS flexmeter.dead_letters_raw
(
    `topic` LowCardinality(String),
    `partition` Int32,
    `offset` Int64,
    `source` LowCardinality(String),
    `address` String,
    `received_at` DateTime64(3, 'UTC'),
    `reason` LowCardinality(String),
    `detail` String,
    `payload` String COMMENT 'raw bytes, at most the first 256 kB' CODEC(ZSTD(3)),
    `payload_length` Int64,
    `payload_sha256` String,
    `inserted_at` DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY (topic, partition, offset);

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

CREATE TABLE IF NOT EXISTS flexmeter.grid_nodes_raw
(
    `substation` LowCardinality(String),
    `node` String CODEC(ZSTD(1)),
    `part` Int64 CODEC(T64, ZSTD(1)),
    `parent` String CODEC(ZSTD(1)),
    `kind` LowCardinality(String),
    `phase` LowCardinality(String),
    `customers` Int64 CODEC(T64, ZSTD(1)),
    `meters` Int64 CODEC(T64, ZSTD(1)),
    `published_at` DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    `version` UInt64 CODEC(T64, ZSTD(1)),
    `inserted_at` DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (substation, node, part);

CREATE TABLE IF NOT EXISTS flexmeter.home_requests_raw
(
    `meter` String,
    `at` DateTime64(3, 'UTC'),
    `kind` LowCardinality(String),
    `number` Int64,
    `power_w` Float64,
    `appliance` LowCardinality(String),
    `version` UInt64,
    `inserted_at` DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (meter, at, kind);

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

CREATE TABLE IF NOT EXISTS flexmeter.presence_raw
(
    `meter` String,
    `number` Int64,
    `state` LowCardinality(String),
    `since` DateTime64(3, 'UTC'),
    `last_at` DateTime64(3, 'UTC'),
    `feeder` LowCardinality(String),
    `version` UInt64,
    `inserted_at` DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (meter, number);

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

ALTER TABLE flexmeter.readings_raw
    ADD INDEX IF NOT EXISTS by_at `at` TYPE minmax GRANULARITY 1;

CREATE TABLE IF NOT EXISTS flexmeter.recompute_requests_raw
(
    `meter` String,
    `profile` LowCardinality(String),
    `start` DateTime64(3, 'UTC'),
    `end` DateTime64(3, 'UTC'),
    `version` UInt64,
    `inserted_at` DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (meter, profile, start);

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
