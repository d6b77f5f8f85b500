"""What a contestant of bench.engine is told, by its environment, and what it tells: readings done and CPU time, twice a
second, as lines of JSON on stdout. Only the standard library: peers import it in environments of their own.
"""

import json
import os
import resource
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

BOOTSTRAP = os.environ["BENCH_BOOTSTRAP"]
INPUT = os.environ["BENCH_INPUT"]
OUTPUT = os.environ["BENCH_OUTPUT"]
FORM = os.environ["BENCH_FORM"]
"""`records` or `blocks`."""
NAME = os.environ["BENCH_NAME"]
"""A name that no other run has: for consumer groups, state topics and the like."""
FOLDER = Path(os.environ["BENCH_FOLDER"])
"""For state on disk; empty."""
SAVE_S = float(os.environ["BENCH_SAVE_S"])
"""How often state is to be saved, seconds, where that can be set."""
SCHEMAS = Path(os.environ["BENCH_SCHEMAS"])

EVERY_S = 0.5


class Tally:
    """Readings done so far."""

    readings = 0


def tell(readings: Callable[[], int]) -> None:
    """Begin to tell, from a thread of its own. CPU time is that of all threads of this process, user and system."""
    threading.Thread(target=_tell, args=(readings,), daemon=True).start()


def _tell(readings: Callable[[], int]) -> None:
    while True:
        used = resource.getrusage(resource.RUSAGE_SELF)
        line = {"readings": readings(), "cpu_s": used.ru_utime + used.ru_stime, "at_s": time.monotonic()}
        print(json.dumps(line), file=sys.__stdout__, flush=True)  # Faust takes sys.stdout for its log
        time.sleep(EVERY_S)
