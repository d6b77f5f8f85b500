"""The maps of bench/ and tests/ have a place for every file, so that a newcomer finds where a line belongs."""

import re
from pathlib import Path

import pytest

import bench

ROOT = Path(__file__).parents[2]
MODULES = sorted(file.stem for file in (ROOT / "bench").glob("*.py") if file.stem != "__init__")
HELPERS = sorted(file.stem for file in (ROOT / "tests").glob("*.py") if not file.stem.endswith("_door"))


@pytest.mark.parametrize("module", MODULES)
def test_the_map_of_bench_has_the_subject_of_every_module(module: str) -> None:
    words = re.findall(r"\w+", bench.__doc__ or "")
    assert any(module == word or module.startswith(f"{word}_") for word in words), "bench/__init__.py"


@pytest.mark.parametrize("helper", HELPERS)
def test_the_map_of_tests_has_every_helper(helper: str) -> None:
    assert re.search(rf"`{helper}(\.py)?`", (ROOT / "tests/README.md").read_text("utf-8")), "tests/README.md"
