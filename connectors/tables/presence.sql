-- Results of presence: a meter fell silent while its source went on, or reports again.
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

CREATE OR REPLACE VIEW flexmeter.presence AS
SELECT `meter`, `number`, `state`, `since`, `last_at`, `feeder`, `version` AS `operator_version`, `inserted_at`
FROM flexmeter.presence_raw FINAL;

CREATE OR REPLACE VIEW flexmeter.presence_now AS
SELECT `meter`, `number`, `state`, `since`, `last_at`, `feeder`, `version` AS `operator_version`, `inserted_at`
FROM flexmeter.presence_raw FINAL ORDER BY `meter`, `number` DESC LIMIT 1 BY `meter`;
