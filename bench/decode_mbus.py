"""How long an M-Bus telegram takes to decode: `python -m bench.decode_mbus`.

The telegrams are those of the golden folders, with their keys. Each has its turn, round by round; counted is this
process's CPU time, and the median of the rounds stands. Goal: under 100 us for each.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench.report import report
from connectors.decode.mbus import decode_mbus, decode_wmbus

CASES = Path(__file__).parent.parent / "tests" / "cases"
TELEGRAMS = (
    "mbus/heat_meter",
    "mbus/electricity_three_phases",
    "wmbus/water_without_crcs",
    "wmbus/water_extended_link_layer",
    "wmbus/water_mode_5_format_a",
    "wmbus/water_mode_7_format_b",
)
GOAL_US = 100
ROUNDS, CALLS = 40, 50


def decoding(name: str) -> Callable[[], object]:
    """The call that decodes a golden folder's telegram."""
    lines = (CASES / name / "telegram.hex").read_text("utf-8").splitlines()
    payload = bytes.fromhex("".join(line for line in lines if not line.startswith("#")))
    written = json.loads((CASES / name / "expected.json").read_text("utf-8"))["told"].get("keys", {})
    keys = {meter: tuple(map(bytes.fromhex, texts)) for meter, texts in written.items()}
    decode = decode_mbus if name.startswith("mbus/") else decode_wmbus
    return lambda: decode(payload, lambda meter: keys.get(meter, ()))


def in_turns(ways: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Median CPU microseconds of one call of each."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            began = time.process_time()
            for _ in range(CALLS):
                way()
            taken[name].append((time.process_time() - began) / CALLS * 1e6)
    return {name: round(statistics.median(times), 1) for name, times in taken.items()}


def main() -> int:
    """Measure, print, keep."""
    microseconds = in_turns({name: decoding(name) for name in TELEGRAMS})
    for name, each in microseconds.items():
        print(f"{name}: {each:.1f} us, {1e6 / each:,.0f} telegrams a second and core")
    report("decode_mbus", {"goal_us": GOAL_US, "us_per_telegram": microseconds}, packages=["cryptography"])
    return int(max(microseconds.values()) > GOAL_US)


if __name__ == "__main__":
    sys.exit(main())
