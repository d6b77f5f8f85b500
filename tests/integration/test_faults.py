"""`make faults` in its short form; and that it is found wrong when one of the protections is taken away."""

import re
import subprocess
import sys
from typing import Any

import orjson
import pytest

pytestmark = [pytest.mark.integration, pytest.mark.slow]

SMALL = ("--meters", "300", "--steps-per-s", "4")


def run(*arguments: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, result, and all that was said."""
    command = [sys.executable, "-m", "bench.faults", *SMALL, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=560)
    return done.returncode, orjson.loads(done.stdout.splitlines()[-1])["result"], done.stdout + done.stderr


@pytest.mark.timeout(580)
def test_faults_change_no_result() -> None:
    code, result, said = run("--short")
    assert code == 0, said
    assert result["faults"] == "all equal"
    assert result["injected"]["worker_killed"] >= 5
    assert result["facts"] > 10_000
    assert result["repeated_records"] > 0


@pytest.mark.timeout(580)
@pytest.mark.parametrize(
    ("weakness", "fault", "found"),
    [
        ("hole_check", "lost_record=4", r"WRONG: .*(lost|missing|expected)"),
        ("save_order", "killed_with_results_held=3", r"WRONG: .*(lost|missing)"),
    ],
)
def test_without_one_protection_it_is_found_wrong(weakness: str, fault: str, found: str) -> None:
    """The same faults are in the short form, which passes.

    The slots' checksum is not among these: alive it is found missing only sometimes (`--weakness checksum`). That it is
    needed, tests/unit/test_slots_interleavings.py shows each time.
    """
    code, result, said = run("--weakness", weakness, "--only", fault)
    assert code == 1, said
    assert result["faults"] == "failed"
    assert re.search(found, said), said
