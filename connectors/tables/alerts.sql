-- Every numbered version of every alert. `alerts` shows how each stands now, `alert_history` how it came to that.
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

CREATE OR REPLACE VIEW flexmeter.alert_history AS
SELECT * FROM flexmeter.alerts_raw FINAL;

CREATE OR REPLACE VIEW flexmeter.alerts AS
SELECT * FROM flexmeter.alerts_raw FINAL ORDER BY `id`, `number` DESC LIMIT 1 BY `id`;
