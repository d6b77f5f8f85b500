"""Which SQL may be asked over HTTP: one statement that reads the tables and nothing else of the machine.

The session is read-only (`readonly = 1`), which refuses writes, settings and table functions that reach outside. What
it lets through, or judges too late, is refused here: INTO OUTFILE, the scalar function file(), chdb's Python(), and a
second statement behind the first.
Names are judged in the syntax tree that ClickHouse itself prints, not in the text.
"""

import re

_READS = ("Select", "Show", "Describe", "Explain", "Exists")
_REACHES_OUTSIDE = frozenset({"file", "python"})
_FUNCTION = re.compile(r"^ *Function (\S+)", re.MULTILINE)
_FORMAT = re.compile(r"^ Identifier (\w+)$", re.MULTILINE)
_STATEMENT = re.compile(r"(?s)(?:\s|--[^\n]*\n|#[!\s][^\n]*\n|/\*.*?\*/)*(\w+)")
_FIRST_WORDS = frozenset({"select", "with", "show", "describe", "desc", "explain", "exists"})


class Refused(Exception):
    """Not to be asked here."""


def one_statement(sql: str) -> str:
    """The statement without what ends it.

    >>> one_statement("SELECT 1;\\n")
    'SELECT 1'
    >>> one_statement("SELECT 1; DROP TABLE x")
    Traceback (most recent call last):
    ...
    flexmeter.page.statement.Refused: one statement at a time; write char(59) for a semicolon in a string
    """
    sql = sql.strip().rstrip(";").rstrip()
    if ";" in sql:
        raise Refused("one statement at a time; write char(59) for a semicolon in a string")
    if re.search(r"\boutfile\b", sql, re.IGNORECASE):
        raise Refused("INTO OUTFILE writes a file")
    first = _STATEMENT.match(sql)
    if first is not None and first[1].lower() not in _FIRST_WORDS:
        raise Refused(f"{first[1].upper()} is not for reading: SELECT, WITH, SHOW, DESCRIBE, EXPLAIN and EXISTS are")
    return sql


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


def check_tree(tree: str) -> None:
    """Refuse by the syntax tree, as EXPLAIN AST prints it.

    >>> check_tree("SelectWithUnionQuery (children 1)\\n Function file (children 1)\\n")
    Traceback (most recent call last):
    ...
    flexmeter.page.statement.Refused: file() reaches outside the database
    """
    if not tree.startswith(_READS):
        raise Refused("only statements that read: SELECT, SHOW, DESCRIBE, EXPLAIN, EXISTS")
    for function in _FUNCTION.findall(tree):
        if function.lower() in _REACHES_OUTSIDE:
            raise Refused(f"{function}() reaches outside the database")


def format_of(tree: str) -> str | None:
    """The FORMAT that the statement names.

    >>> format_of("SelectWithUnionQuery (children 2)\\n ExpressionList (children 1)\\n Identifier JSON\\n")
    'JSON'
    """
    found = _FORMAT.search(tree)
    return found[1] if found else None
