"""The tables for the clickhouse-server 18.16 of tests and benchmarks.

It lacks DateTime64, CODEC, CHECK, data-skipping indexes and REPLACE VIEW.

Only types and decorations change; names, keys and versions are the product's.
"""

import re
from collections.abc import Iterable

_CHANGES = [
    (r"DEFAULT now64\(3, 'UTC'\)", "DEFAULT toInt64(now()) * 1000"),
    (r"DateTime64\(3, 'UTC'\)", "Int64"),
    (r"LowCardinality\(String\)", "String"),
    (r" CODEC\((?:[^()]|\([^()]*\))*\)", ""),
    (r" COMMENT '(?:[^'\\]|\\.)*'", ""),
    (r",\s*CONSTRAINT [^\n]*?(?=,?\n)", ""),
    (r",\s*INDEX [^\n]*?GRANULARITY 1", ""),
    (r"CREATE OR REPLACE VIEW", "CREATE VIEW IF NOT EXISTS"),
    (r"ADD COLUMN IF NOT EXISTS", "ADD COLUMN"),
    (r"toDate32\(\w+\), ", ""),
    (r"`count` Int64", "`count` UInt8"),  # so that a count of 300 is a row that cannot be inserted
]

# Times by the hour, indexes, and out of JSON (they are plain numbers here); what compares versions.
_LEFT_OUT = ("toStartOf", "ADD INDEX", "VIEW flexmeter.outage", "FROM flexmeter.versions")


def for_1816(statements: Iterable[str]) -> list[str]:
    """The statements, as that server understands them; those it cannot are left out."""
    old = []
    for statement in statements:
        statement = re.sub(r"--[^\n]*\n", "", statement)
        if any(part in statement for part in _LEFT_OUT):
            continue
        for pattern, replacement in _CHANGES:
            statement = re.sub(pattern, replacement, statement)
        old.append(statement)
    return old
