"""The tables and views of ClickHouse's database `flexmeter`: one .sql file for each view that users query.

NAME_raw    what was inserted, repeats and superseded versions included, until ClickHouse merges them away
NAME        the view of it: each fact once, in its highest version

Tables only grow: every statement can run again, none takes anything away, nor puts rows into another order. Whoever
adds a table, or an ALTER below a CREATE, raises VERSION and freezes what there is then
(`python -m connectors.tables > tests/cases/tables/VERSION.sql`); a test brings each version up to date. A program whose
version is lower than that of the database refuses it.
"""

import re
from importlib.resources import files
from importlib.resources.abc import Traversable

from schemas.catalogue import Catalogue, Quantity

DATABASE = "flexmeter"
VERSION = 4

_BEGIN = (
    f"CREATE DATABASE IF NOT EXISTS {DATABASE}",
    f"CREATE TABLE IF NOT EXISTS {DATABASE}.versions\n(\n    `version` UInt32,\n"
    "    `since` DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')\n)\nENGINE = MergeTree\nORDER BY version",
    f"SELECT throwIf(max(version) > {VERSION}, 'the tables were made by a newer version of flexmeter') "
    f"FROM {DATABASE}.versions",
)
_END = (
    f"INSERT INTO {DATABASE}.versions (version) SELECT {VERSION} FROM system.one "
    f"WHERE (SELECT count() FROM {DATABASE}.versions WHERE version = {VERSION}) = 0",
)


def statements(catalogue: Catalogue) -> list[str]:
    """What makes the tables, or brings older ones up to date; harmless when repeated.

    The lines of a statement that hold {quantity} are meant once for each quantity of the catalogue.
    """
    made = list(_BEGIN)
    for file in _files():
        made += [for_each_quantity(statement, catalogue) for statement in split(file.read_text("utf-8"))]
    return [*made, *_END]


def frozen() -> list[str]:
    """The statements that make the tables themselves, without comments, quantities not filled in."""
    whole = [statement for file in _files() for statement in split(file.read_text("utf-8"))]
    bare = (re.sub(r"^--[^\n]*\n", "", statement, flags=re.MULTILINE).strip() for statement in whole)
    return [statement for statement in bare if statement.startswith(("CREATE TABLE", "ALTER TABLE"))]


def literal(text: str) -> str:
    """The text as a string of SQL.

    >>> print(literal("it's"))
    'it\\'s'
    """
    return f"'{_escaped(text)}'"


def split(text: str) -> list[str]:
    """The statements of a file.

    >>> split("-- why\\nSELECT 1;\\n\\nSELECT 2;\\n")
    ['-- why\\nSELECT 1', 'SELECT 2']
    """
    return [statement.strip() for statement in text.split(";\n") if statement.strip()]


def _files() -> list[Traversable]:
    return sorted(
        (file for file in files(__name__).iterdir() if file.name.endswith(".sql")), key=lambda file: file.name
    )


def for_each_quantity(statement: str, catalogue: Catalogue) -> str:
    """The statement with its lines about a quantity repeated for each."""
    lines = statement.split("\n")
    wanted = [line for line in lines if "{quantity}" in line]
    filled = [
        line.replace("{quantity}", quantity.name).replace("{comment}", _comment(quantity))
        for quantity in catalogue.quantities.values()
        for line in wanted
    ]
    return "\n".join([line for line in lines if line not in wanted] + ([",\n".join(filled)] if filled else []))


def _comment(quantity: Quantity) -> str:
    return _escaped(f"{quantity.description} [{quantity.unit}]")


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")
