"""docs/adding-a-decoder.md, followed to the letter in a copy of the project, whose tests stay green."""

from pathlib import Path

import pytest

from tests.followed import follow, run


@pytest.mark.timeout(900)
def test_the_page_works_as_it_stands(tmp_path: Path) -> None:
    copy = tmp_path / "project"
    follow("adding-a-decoder.md", copy)
    assert "influx" in run("flexmeter decode --help", copy)
