-- What each router did with each version of an alert: who was told what when, and what was spared why.
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

CREATE OR REPLACE VIEW flexmeter.alert_deliveries AS
SELECT `router`, `alert`, `number`, `outcome`, `told`, `at`, `inserted_at`
FROM flexmeter.alert_deliveries_raw FINAL;
