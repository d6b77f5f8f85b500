"""docs/performance.md says what bench/results say."""

from pathlib import Path

from bench.performance.engine import latency
from bench.performance.page import PAGE, SECTIONS, page


def test_the_page_is_what_the_results_say() -> None:
    assert PAGE.read_text("utf-8") == page(), "run `python -m bench.performance`"


def test_what_was_not_measured_is_said(tmp_path: Path) -> None:
    assert page(tmp_path).count("Not measured yet") == len(SECTIONS)


def test_results_that_never_came_are_said() -> None:
    at = {"messages_per_s": 1_600, "meters": 16_000, "p50_ms": 900, "p99_ms": None, "results": 31_000}
    rates = {"20%": at | {"results_missing": 1_000, "devices_late_p99_ms": 0.4}}
    *_, row = latency({"highest": {"messages_per_s": 8_000}, "at": rates})
    assert row == "| 20% | 1,600 | 16,000 | 900 | never | 31,000 | 1000 | 0.4 |"
