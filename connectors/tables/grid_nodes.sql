-- The grid as `flexmeter grid` published it last: a row a device, from the substation (parent empty) down to where meters hang.
-- customers, meters = how many hang at the device itself. Meters, usage points and gateways are left out: they are in the register.
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

CREATE OR REPLACE VIEW flexmeter.grid_nodes AS
SELECT
    `substation`, `node`, max(`parent`) AS `parent`, max(`kind`) AS `kind`, max(`phase`) AS `phase`,
    sum(`customers`) AS `customers`, sum(`meters`) AS `meters`, max(`published_at`) AS `published_at`
FROM
(
    SELECT * FROM flexmeter.grid_nodes_raw FINAL
    WHERE (`substation`, `published_at`) IN (SELECT `substation`, max(`published_at`) FROM flexmeter.grid_nodes_raw GROUP BY `substation`)
)
GROUP BY `substation`, `node`;
