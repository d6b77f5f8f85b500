-- What the people of homes asked for: consent to nilm, its withdrawal, and labels of loads.
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

CREATE OR REPLACE VIEW flexmeter.home_requests AS
SELECT `meter`, `at`, `kind`, `number`, `power_w`, `appliance`, `inserted_at`
FROM flexmeter.home_requests_raw FINAL;
