"""Small CSV files that people or their key management write: principals, keys, tokens.

Faults name lines and columns, never values: they may be secrets.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from schemas.faults import Fault, Faults


@dataclass(frozen=True, slots=True)
class Row:
    """One line's values, in the order of the columns asked for."""

    line: int
    values: tuple[str, ...]


def read_table(path: Path, columns: Sequence[str]) -> list[Row]:
    """The rows of a CSV file in UTF-8 whose header has these columns; lines that begin with # are comments.

    Raises:
        Faults: it cannot be read, its header is another, or lines have more or fewer values.

    """
    header = ",".join(columns)
    try:
        lines = path.read_text("utf-8-sig").splitlines()
        numbered = [(number, line) for number, line in enumerate(lines, 1) if line.strip() and line[0] != "#"]
        rows = [Row(number, tuple(value.strip() for value in next(csv.reader([line])))) for number, line in numbered]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise unreadable(path, header, error) from None
    if not rows or rows[0].values != tuple(columns):
        raise Faults(str(path), [Fault(rows[0].line if rows else 0, "the header is missing", f"begin with {header}")])
    faults = [
        Fault(row.line, f"{len(row.values)} values, the header has {len(columns)}", "separate them by one comma each")
        for row in rows
        if len(row.values) != len(columns)
    ]
    if faults:
        raise Faults(str(path), faults)
    return rows[1:]


def unreadable(path: Path, header: str, error: OSError | UnicodeDecodeError | csv.Error) -> Faults:
    """What to say of a CSV file that could not be read."""
    what = error.strerror if isinstance(error, OSError) else "it is no CSV in UTF-8"
    return Faults(str(path), [Fault(0, f"cannot be read: {what}", f"give a CSV file with {header}")])
