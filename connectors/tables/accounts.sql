-- What became of every row of each input partition of each stream, up to next_offset:
-- received = duplicates + conflicts + late + future + pending + released.
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

CREATE OR REPLACE VIEW flexmeter.accounts AS
SELECT
    `stream`, `partition`, `next_offset`, `at`, `meters`,
    `received`, `duplicates`, `conflicts`, `late`, `future`, `pending`, `released`, `inserted_at`
FROM flexmeter.accounts_raw FINAL;
