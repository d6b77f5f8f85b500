"""What the clickhouse-server of the tests is told: the tables and columns of the product, whatever they are named."""

import re

from connectors.tables import statements
from flexmeter.local.old_clickhouse import for_1816
from schemas.catalogue import load_catalogue

TABLE = re.compile(r"^(?:CREATE|ALTER) TABLE (?:IF NOT EXISTS )?(\S+)", re.MULTILINE)
COLUMN = re.compile(r"^ +(?:ADD COLUMN )?(?:IF NOT EXISTS )?`(\w+)` [A-Z]", re.MULTILINE)


def columns(made: list[str]) -> list[tuple[str, list[str]]]:
    """Of each statement that makes a table or adds to it: the table, and its columns."""
    told = [(found[1], COLUMN.findall(statement)) for statement in made if (found := TABLE.search(statement))]
    return [(table, named) for table, named in told if named]


def test_every_table_has_every_column() -> None:
    made = statements(load_catalogue())
    assert columns(for_1816(made)) == columns(made)
    assert set(load_catalogue().quantities) <= {column for _, added in columns(made) for column in added}


def test_what_it_does_not_know_is_not_told() -> None:
    told = "\n".join(for_1816(statements(load_catalogue())))
    assert not re.findall(r"DateTime64|LowCardinality|CODEC|CONSTRAINT|INDEX|OR REPLACE|ADD COLUMN IF", told)
