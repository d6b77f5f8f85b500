"""`python -m bench.faults` as a process of its own, small enough for tests."""

import subprocess
import sys
from typing import Any

import orjson

SMALL = ("--meters", "300", "--steps-per-s", "4")


def run_faults(*arguments: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, result, and all that was said."""
    command = [sys.executable, "-m", "bench.faults", *SMALL, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=560)
    return done.returncode, orjson.loads(done.stdout.splitlines()[-1])["result"], done.stdout + done.stderr
