"""Tables of the page."""

from collections.abc import Iterator, Sequence


def table(head: Sequence[str], rows: Iterator[Sequence[object]]) -> Iterator[str]:
    """In Markdown, line by line.

    >>> list(table(("rows", "rate"), iter([(200, "1,000")])))
    ['| rows | rate |', '|---|---|', '| 200 | 1,000 |']
    """
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    yield from (f"| {' | '.join(map(str, row))} |" for row in rows)
