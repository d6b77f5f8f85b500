"""The tables and views of ClickHouse's database `flexmeter`: one .sql file for each view that users query.

NAME_raw    what was inserted, repeats and superseded versions included, until ClickHouse merges them away
NAME        the view of it: each fact once, in its highest version
"""

from collections.abc import Iterable
from importlib.resources import files

from schemas.catalogue import Catalogue

DATABASE = "flexmeter"


def statements(catalogue: Catalogue) -> list[str]:
    """What makes the tables, or brings older ones up to date; harmless when repeated.

    A statement with {quantity} is meant once for each quantity of the catalogue.
    """
    made = [f"CREATE DATABASE IF NOT EXISTS {DATABASE}"]
    for file in sorted((f for f in files(__name__).iterdir() if f.name.endswith(".sql")), key=lambda f: f.name):
        for statement in _split(file.read_text("utf-8")):
            made.extend(_for_each_quantity(statement, catalogue) if "{quantity}" in statement else [statement])
    return made


def _split(text: str) -> list[str]:
    """The statements of a file.

    >>> _split("-- why\\nSELECT 1;\\n\\nSELECT 2;\\n")
    ['-- why\\nSELECT 1', 'SELECT 2']
    """
    return [statement.strip() for statement in text.split(";\n") if statement.strip()]


def _for_each_quantity(statement: str, catalogue: Catalogue) -> Iterable[str]:
    for quantity in catalogue.quantities.values():
        comment = f"{quantity.description} [{quantity.unit}]".replace("\\", "\\\\").replace("'", "\\'")
        yield statement.replace("{quantity}", quantity.name).replace("{comment}", comment)
