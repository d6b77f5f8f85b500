-- Payloads that could not be taken, with their bytes. The key is the letter's own place in Kafka; a letter that was
-- written again, at another place, is the same letter and shown once.
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

CREATE OR REPLACE VIEW flexmeter.dead_letters AS
SELECT * FROM flexmeter.dead_letters_raw FINAL
ORDER BY `topic`, `partition`, `offset`
LIMIT 1 BY `source`, `address`, `received_at`, `reason`, `detail`, `payload_sha256`;
