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

-- Outages out of their alerts: `outage_history` has each version, `outages` how each stands now. `ended_at` is NULL while it lasts.
CREATE OR REPLACE VIEW flexmeter.outage_history AS
SELECT
    `id`, `number`, `subject` AS `device`, `feeder`, `substation`, `severity`, `state`, `at`, `raised_at`,
    JSONExtractString(`evidence`, 'phase') AS `phase`,
    JSONExtractString(`evidence`, 'ending') AS `ending`,
    fromUnixTimestamp64Milli(JSONExtractInt(`evidence`, 'start_ms'), 'UTC') AS `started_at`,
    if(`state` = 'cleared', fromUnixTimestamp64Milli(JSONExtractInt(`evidence`, 'end_ms'), 'UTC'), NULL) AS `ended_at`,
    JSONExtractInt(`evidence`, 'customers') AS `customers`,
    JSONExtractInt(`evidence`, 'customers_dark') AS `customers_dark`,
    JSONExtractFloat(`evidence`, 'confidence') AS `confidence`,
    `summary`,
    JSONExtract(`evidence`, 'dark', 'Array(String)') AS `dark`,
    JSONExtractFloat(`evidence`, 'probability_of_outage') AS `probability_of_outage`,
    JSONExtractFloat(`evidence`, 'probability_still_dark') AS `probability_still_dark`
FROM flexmeter.alerts_raw FINAL
WHERE `kind` = 'outage';

CREATE OR REPLACE VIEW flexmeter.outages AS
SELECT * FROM flexmeter.outage_history ORDER BY `id`, `number` DESC LIMIT 1 BY `id`;
