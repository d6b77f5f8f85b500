"""Who may import what, where import-linter sees only modules: it cannot tell confluent_kafka's parts apart."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("schemas", "streams", "connectors", "flexmeter", "dashboards")


def names_of_confluent_kafka(source: str) -> Iterator[str]:
    """What the source imports from there; the module itself would give it all."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module == "confluent_kafka":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ("*" for alias in node.names if alias.name.partition(".")[0] == "confluent_kafka")


@pytest.mark.parametrize("source", ["import confluent_kafka as c", "from confluent_kafka import Producer as P"])
def test_either_way_of_importing_it_is_seen(source: str) -> None:
    assert set(names_of_confluent_kafka(source)) & {"Producer", "*"}


def test_one_module_alone_has_the_producer() -> None:
    files = [
        file for package in PACKAGES for file in (ROOT / package).rglob("*.py") if "node_modules" not in file.parts
    ]
    found = {file for file in files if {"Producer", "*"} & set(names_of_confluent_kafka(file.read_text("utf-8")))}
    assert {str(file.relative_to(ROOT)) for file in found} == {"connectors/kafka.py"}
