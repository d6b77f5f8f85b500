"""What may be asked over HTTP is judged before ClickHouse sees it, and again by its own syntax tree."""

import pytest

from flexmeter.page.statement import Refused, check_tree, format_of, one_statement


@pytest.mark.parametrize(
    "sql",
    ["SELECT 1", " with 1 as x select x ", "-- why\nSELECT 1;", "/* a */ show tables", "describe t", "(SELECT 1)"],
)
def test_reading_is_let_through(sql: str) -> None:
    assert one_statement(sql).lower().strip("(").split()[0] in ("select", "with", "--", "/*", "show", "describe")


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO t VALUES (1)",
        "/* SELECT */ DROP TABLE t",
        "SET readonly = 0",
        "SELECT 1; SELECT 2",
        "SELECT 1 INTO/**/OUTFILE 'x'",
        "ALTER TABLE t DELETE WHERE 1",
        "USE system",
        "SYSTEM SHUTDOWN",
        "KILL QUERY WHERE 1",
    ],
)
def test_anything_else_is_refused(sql: str) -> None:
    with pytest.raises(Refused):
        one_statement(sql)


def test_the_tree_decides_whatever_the_text_looked_like() -> None:
    check_tree("SelectWithUnionQuery (children 1)\n Function sum (children 1)\n")
    for tree in (
        "InsertQuery  (children 1)\n",
        "Set\n",
        "",
        "Explain EXPLAIN (children 1)\n   Function file (children 1)",
    ):
        with pytest.raises(Refused):
            check_tree(tree)


def test_a_column_is_not_taken_for_the_format() -> None:
    tree = (
        "SelectWithUnionQuery (children 1)\n ExpressionList (children 1)\n  SelectQuery (children 1)\n   Identifier x\n"
    )
    assert format_of(tree) is None
    assert format_of(tree + " Identifier CSV\n") == "CSV"
