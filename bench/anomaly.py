"""What anomaly and meter_fault cost per meter and reading, beside rolling_load: `python -m bench.anomaly`.

Household meters every 10 s, handed over in event-time order in turns as a shard does it: all meters report in each
second tenth by tenth. An hour is measured, so that quarters and hours close as often as they do; counted is CPU time.
"""

import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from bench.report import report
from schemas.catalogue import load_catalogue
from streams.anomaly import Anomaly
from streams.contract import Meters, Operator, Released, Rows
from streams.meter_fault import MeterFault
from streams.rolling_load import RollingLoad

PROFILE, INTERVAL_MS = "malmo_household", 10_000
METERS, TURN_ROWS = 10_000, 2_000
BEGIN = 1_795_507_200_000
OPERATORS: tuple[Operator, ...] = (RollingLoad(), Anomaly(), MeterFault())


def measure(operator: Operator, minutes: int) -> dict[str, Any]:
    """Microseconds a reading (a row of 8 values), bytes a meter, and the share of a core that 100,000 meters take."""
    catalogue = load_catalogue()
    quantities = tuple(catalogue.quantities[name] for name in catalogue.profiles[PROFILE].quantities)
    ids = [f"E350-{i}" for i in range(METERS)]
    interval_ms = np.full(METERS, INTERVAL_MS, np.int64)
    meters = Meters(PROFILE, quantities, ids, ["F1"] * METERS, ["S1"] * METERS, interval_ms)
    state = np.zeros(METERS, operator.dtype(quantities))
    rng = np.random.default_rng(1)
    values = np.round(rng.gamma(2, 100, (METERS, len(quantities))), 1)
    rows, spent = 0, 0.0
    for step in range(minutes * 6 + 1):
        for first in range(0, METERS, TURN_ROWS):
            turn = np.arange(first, first + TURN_ROWS)
            at = np.full(TURN_ROWS, BEGIN + step * INTERVAL_MS, np.int64)
            released = Released(Rows(turn, at, at, np.zeros(TURN_ROWS, np.int32), values[turn] + step % 7), turn, at)
            began = time.process_time()
            operator.on_released(state, meters, released)
            spent += time.process_time() - began
            rows += TURN_ROWS
    us = spent / rows * 1e6
    return {
        "operator": operator.name,
        "us_per_reading": round(us, 3),
        "bytes_per_meter": state.dtype.itemsize,
        "core_share_of_100000_meters_at_10_s": round(us * 1e-6 * 10_000, 4),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, keep."""
    minutes = int((argv if argv is not None else sys.argv[1:] or ["60"])[0])
    results = [measure(operator, minutes) for operator in OPERATORS]
    for result in results:
        share = result["core_share_of_100000_meters_at_10_s"]
        print(f"{result['operator']:14}{result['us_per_reading']:7.2f} us a reading, ", end="")
        print(f"{result['bytes_per_meter']:6} bytes a meter, {share:.1%} of a core for 100,000 meters at 10 s")
    report("anomaly", {"meters": METERS, "minutes": minutes, "operators": results}, packages=["numpy"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
