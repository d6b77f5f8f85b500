"""What may be asked over HTTP is judged by ClickHouse's own words and syntax tree, whatever the text looked like."""

import pytest

from flexmeter.page.statement import Refused, check_statement, check_tree, format_of

SELECT = "SelectWithUnionQuery (children 1)\n"
DESCRIBE = "DescribeQuery (children 1)\n TableExpression (children 1)\n"


@pytest.mark.parametrize("parsed", ["SELECT 1", "(SELECT 1) UNION ALL SELECT 2", "WITH 1 AS x SELECT x", "SHOW TABLES"])
def test_reading_is_let_through(parsed: str) -> None:
    check_statement(parsed)


@pytest.mark.parametrize(
    "parsed", ["INSERT INTO t FORMAT Values", "SET readonly = 0", "USE system", "SYSTEM SHUTDOWN", "EXISTS TABLE t", ""]
)
def test_anything_else_is_refused(parsed: str) -> None:
    with pytest.raises(Refused):
        check_statement(parsed)


@pytest.mark.parametrize(
    "tree",
    [
        f"{SELECT} Function sum (children 1)\n",
        f"{SELECT} ExpressionList (children 1)\n  Literal 'a'\n  Function aiming\n",
        f"{DESCRIBE}  Function VALUES (alias x) (children 1)\n",
        f"{DESCRIBE}  TableIdentifier url\n",
        "Explain EXPLAIN (children 3)\n Set\n SelectWithUnionQuery (children 1)\n Identifier CSV\n",
        "ShowTables (children 1)\n Identifier CSV\n",
    ],
)
def test_trees_of_what_reads(tree: str) -> None:
    check_tree(tree)


@pytest.mark.parametrize(
    "tree",
    [
        "InsertQuery  (children 1)\n",
        "Set\n",
        "",
        "Explain EXPLAIN (children 1)\n   Function file (children 1)",
        f"{SELECT} Function FILE (children 1)\n",
        f"{SELECT} Function aiGenerate (children 1)\n",
        f"{SELECT}   TableExpression (children 1)\n    Function url (alias x) (children 1)\n",
        f"{DESCRIBE}  Function S3 (children 1)\n",
        f"{SELECT} Literal '/tmp/x'\n",
        "Explain EXPLAIN PIPELINE (children 1)\n InsertQuery   (children 2)\n",
        "Explain EXPLAIN TABLE OVERRIDE (children 2)\n Function mysql (children 1)\n",
    ],
)
def test_trees_of_what_does_not(tree: str) -> None:
    with pytest.raises(Refused):
        check_tree(tree)


def test_the_format_is_what_the_statement_ends_with() -> None:
    assert format_of("SELECT x FROM t WHERE a = 'b FORMAT CSV'") is None
    assert format_of("SHOW CREATE TABLE t FORMAT CSV") == "CSV"
