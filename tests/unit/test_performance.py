"""docs/performance.md says what bench/results say."""

from pathlib import Path

from bench.performance.page import PAGE, SECTIONS, page


def test_the_page_is_what_the_results_say() -> None:
    assert PAGE.read_text("utf-8") == page(), "run `python -m bench.performance`"


def test_what_was_not_measured_is_said(tmp_path: Path) -> None:
    assert page(tmp_path).count("Not measured yet") == len(SECTIONS)
