-- What people have said about alerts: acknowledged, or silenced until a time. An empty text stands for any.
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

CREATE OR REPLACE VIEW flexmeter.alert_marks AS
SELECT
    `id`, `mark`, `alert`, `kind`, `subject`, `area`, `severity`, `at`, `until`, `by`, `reason`, `inserted_at`
FROM flexmeter.alert_marks_raw FINAL;
