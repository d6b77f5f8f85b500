"""Records in a store's tables, as the sink puts them there."""

from collections.abc import Iterable

from connectors.origin import Origin
from connectors.rows import ROWS
from connectors.store import Store
from schemas.alert import Alert
from schemas.record import Record


def insert_all(store: Store, records: Iterable[Record | Alert], first_offset: int = 0) -> None:
    """Insert the records, which stand one after the other in a topic's partition."""
    for offset, record in enumerate(records, first_offset):
        for rows in ROWS[type(record)](record, Origin("t", 0, offset)):
            store.insert(rows.table, rows.columns)
