"""docs/adding-a-bridge.md, followed to the letter in a copy of the project: the suite of all bridges passes it."""

from pathlib import Path

import pytest

from tests.followed import follow, run

pytestmark = [pytest.mark.integration, pytest.mark.slow]


@pytest.mark.timeout(900)
def test_the_page_works_as_it_stands(tmp_path: Path) -> None:
    copy = tmp_path / "project"
    follow("adding-a-bridge.md", copy)
    started = run("python -c 'from flexmeter.local.access import sources; print(sources(\"all\"))'", copy)
    assert "spool" in started, "make run would leave it out"
