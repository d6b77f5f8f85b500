"""Ports that tests and local runs are given."""

import subprocess
import sys

from flexmeter.local.ports import HIGHEST, LOWEST, free_port


def test_no_port_is_given_twice_nor_to_another_process() -> None:
    mine = [free_port() for _ in range(50)]
    assert len(set(mine)) == 50
    assert all(LOWEST <= port <= HIGHEST for port in mine)
    script = f"from flexmeter.local.ports import _claim; print([_claim(port) for port in {mine}])"
    claimed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert claimed.strip() == str([False] * 50)
