"""Which SQL may be asked over HTTP: one statement that reads the tables and nothing else of the machine.

The session is read-only (`readonly = 1`), which refuses writes, settings and most that reaches outside. What it lets
through, or judges too late, is refused here: table functions (under DESCRIBE they are asked for their columns before
anything is judged), INTO OUTFILE, EXISTS (which tells whether a file is there), functions that reach outside, and
EXPLAIN of anything but SELECT.
ClickHouse parses, not we: it refuses a second statement, tells the first word, and prints the syntax tree, in which
names are judged.
"""

import re

PARSED = "SELECT formatQuerySingleLine({statement:String})"
"""Asks for the statement in ClickHouse's own words; a syntax error if there is more than one. See `as_parameter`."""

_READS = frozenset({"SELECT", "WITH", "SHOW", "DESCRIBE", "EXPLAIN"})
_ROOTS = ("Select", "Show", "Describe", "Explain")
_TABLE_FUNCTIONS = frozenset(
    {"generate_series", "generateseries", "generaterandom", "numbers", "numbers_mt", "sqlstandardvalues", "values"}
    | {"view", "zeros", "zeros_mt"}
)
_REACHES_OUTSIDE = re.compile(r"file|python|ai[A-Z]\w*")
_FUNCTION = re.compile(r"^ *Function (\S+)", re.MULTILINE)
_TABLE_FUNCTION = re.compile(r"^( *)TableExpression.*\n\1 Function (\S+)", re.MULTILINE)
_CHILD = re.compile(r"^ (\w+)(?: (.?))?", re.MULTILINE)
_FORMAT = re.compile(r" FORMAT (\w+)$")
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": "\\0"})


class Refused(Exception):
    """Not to be asked here."""


def as_parameter(text: str) -> str:
    """The text as ClickHouse takes the value of a parameter of type String.

    >>> as_parameter("a\\n")
    'a\\\\n'
    """
    return text.translate(_ESCAPES)


def check_name(database: str) -> None:
    """Refuse a name of a database that is more than a name.

    >>> check_name("system")
    >>> check_name("x; DROP TABLE y")
    Traceback (most recent call last):
    ...
    flexmeter.page.statement.Refused: 'x; DROP TABLE y' is no name of a database
    """
    if not re.fullmatch(r"\w+", database, re.ASCII):
        raise Refused(f"{database!r} is no name of a database")


def check_statement(parsed: str) -> None:
    """Refuse by the first word of a statement in ClickHouse's own words.

    >>> check_statement("DROP TABLE x")
    Traceback (most recent call last):
    ...
    flexmeter.page.statement.Refused: DROP is not for reading: DESCRIBE, EXPLAIN, SELECT, SHOW, WITH are
    """
    first = parsed.lstrip("(").partition(" ")[0]
    if first not in _READS:
        raise Refused(f"{first} is not for reading: {', '.join(sorted(_READS))} are")


def check_tree(tree: str) -> None:
    """Refuse by the syntax tree, as EXPLAIN AST prints it.

    >>> check_tree("DescribeQuery (children 1)\\n TableExpression (children 1)\\n  Function url (children 1)\\n")
    Traceback (most recent call last):
    ...
    flexmeter.page.statement.Refused: url() is not among the table functions that are for reading here
    """
    if not tree.startswith(_ROOTS):
        raise Refused("only statements that read: SELECT, SHOW, DESCRIBE, EXPLAIN")
    children = _CHILD.findall(tree)
    if ("Literal", "'") in children:
        raise Refused("INTO OUTFILE writes a file")
    if tree.startswith("Explain") and {name for name, _ in children} - {"SelectWithUnionQuery", "Set", "Identifier"}:
        raise Refused("only SELECT is explained")
    for _, function in _TABLE_FUNCTION.findall(tree):
        if function.lower() not in _TABLE_FUNCTIONS:
            raise Refused(f"{function}() is not among the table functions that are for reading here")
    for function in _FUNCTION.findall(tree):
        if _REACHES_OUTSIDE.fullmatch(function) or _REACHES_OUTSIDE.fullmatch(function.lower()):
            raise Refused(f"{function}() reaches outside the database")


def format_of(parsed: str) -> str | None:
    """The FORMAT that a statement in ClickHouse's own words names.

    >>> format_of("SELECT 1 FORMAT JSON")
    'JSON'
    """
    found = _FORMAT.search(parsed)
    return found[1] if found else None
