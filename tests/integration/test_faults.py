"""`make faults` in its short form."""

import pytest

from tests.faults_process import run_faults

pytestmark = [pytest.mark.integration, pytest.mark.slow]


@pytest.mark.timeout(580)
def test_faults_change_no_result() -> None:
    code, result, said = run_faults("--short")
    assert code == 0, said
    assert result["faults"] == "all equal"
    assert result["injected"]["worker_killed"] >= 5
    assert result["facts"] > 10_000
    assert result["repeated_records"] > 0
