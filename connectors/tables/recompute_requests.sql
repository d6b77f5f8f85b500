-- Hours that late rows ask to be computed again from the raw readings.
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

CREATE OR REPLACE VIEW flexmeter.recompute_requests AS
SELECT `meter`, `profile`, `start`, `end`, `inserted_at`
FROM flexmeter.recompute_requests_raw FINAL;
