"""What a sink needs of a database of columns."""

from collections.abc import Iterable
from typing import Protocol

from connectors.columns import Columns


class Store(Protocol):
    """A database that holds the tables of `connectors.tables`.

    Both methods raise Unavailable when the database is away or cannot take more now.
    """

    def migrate(self, statements: Iterable[str]) -> None:
        """Run the statements that make the tables."""

    def insert(self, table: str, columns: Columns) -> None:
        """Insert all rows, in one block. Returns when the database has them; raises Rejected if a row is bad."""

    def close(self) -> None:
        """Let go of the database."""
