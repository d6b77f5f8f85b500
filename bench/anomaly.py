"""What watching for anomalies costs per meter and reading, beside metering: `python -m bench.anomaly [MINUTES]`.

Whole shards without Kafka, each fed the same log of household meters that report every 10 s: blocks of 200 readings are
decoded, put in order, worked on by the stream's operators, and the results encoded. An hour is measured, so that
quarters and hours close as often as they do; counted is CPU time. Then each operator by itself, and `neighbours` by the
hourly load, of which the grid's stream is given many or few a turn. Kafka's and Faust's own cost per record is in
bench.metering, and is paid once for each stream. Exit code 1 if 100,000 meters at 10 s need more than one core for all
of it.
"""

import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from bench.report import report
from bench.workload import City, block_log, steps
from schemas.alert import Alert
from schemas.catalogue import Quantity, load_catalogue
from schemas.codec import decode, encode
from schemas.topology import load_topology
from streams.contract import HourlyLoads, Meters, Operator, Released, Rows
from streams.groups import Groups
from streams.neighbours import Neighbours
from streams.registry import OPERATORS
from streams.shard import Shard

PROFILE, INTERVAL_MS = "malmo_household", 10_000
METERS, TURN_ROWS, BLOCK_ROWS = 10_000, 2_000, 200
CITY_METERS = 100_000
BEGIN = 1_795_507_200_000
HOURS = 48
STREAMS = ("metering", "anomaly")
GOAL_CORES = 1.0
"""For metering, watching for anomalies and comparing neighbours, of 100,000 meters at 10 s."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, keep."""
    minutes = int((argv if argv is not None else sys.argv[1:] or ["60"])[0])
    topology = load_topology("topology.yaml", {})
    streams = [stream_cost(name, topology.streams[name].operators, minutes) for name in STREAMS]
    operators = [
        operator_cost(OPERATORS[name], minutes) for name in ("rolling_load", *topology.streams["anomaly"].operators)
    ]
    beside, one_by_one = neighbours_cost(TURN_ROWS), neighbours_cost(1)
    for row in (*streams, *operators):
        name = f"stream {row['stream']}" if "stream" in row else row["operator"]
        print(f"{name:18}{row['us_per_reading']:7.2f} us a reading, {row['bytes_per_meter']:6} bytes a meter, ", end="")
        print(f"{row['core_share']:.1%} of a core for {CITY_METERS:,} meters at 10 s")
    print(f"neighbours        {beside['us_per_hourly_load']:7.2f} us an hourly load, ", end="")
    print(
        f"{beside['bytes_per_meter']:6} bytes a meter, {beside['core_share']:.2%} of a core for {CITY_METERS:,} meters"
    )
    print(f"                  {one_by_one['us_per_hourly_load']:7.2f} us an hourly load, one a call")
    together = sum(row["core_share"] for row in streams) + beside["core_share"]
    reached = together <= GOAL_CORES
    print(f"metering, anomaly and neighbours together: {together:.1%} of a core, without Kafka's share: ", end="")
    print(f"the goal of {GOAL_CORES:.0%} is {'' if reached else 'NOT '}reached")
    whole = {
        "meters": METERS,
        "minutes": minutes,
        "streams": streams,
        "operators": operators,
        "neighbours": beside,
        "neighbours_one_row_a_call": one_by_one,
        "core_share_together": round(together, 4),
        "goal_cores": GOAL_CORES,
    }
    report("anomaly", whole, packages=["numpy"])
    return int(not reached)


def stream_cost(name: str, operators: Sequence[str], minutes: int) -> dict[str, Any]:
    """Microseconds a reading (a row of 8 values) from the bytes of a block to the bytes of the results."""
    shard = Shard(name, 0, {operator: OPERATORS[operator] for operator in operators}, load_catalogue(), turn_ms=1_000)
    city = City.of(METERS, 1)
    source, rows, spent, given = steps(city), 0, 0.0, 0
    for _ in range(minutes * 6 + 1):
        payloads = list(block_log(city, next(source), 0, BLOCK_ROWS))
        began = time.process_time()
        for payload in payloads:
            results = shard.take(decode(payload)) or []
            given += sum(len(encode(result)) for result in results if not isinstance(result, Alert))
        spent += time.process_time() - began
        rows += METERS
    table = shard.table(PROFILE)
    return {
        "stream": name,
        "operators": list(operators),
        **_per_reading(spent / rows * 1e6),
        "bytes_per_meter": sum(column.dtype.itemsize for column in table.columns.values()),
        "result_bytes_per_meter_and_hour": round(given / METERS / (minutes / 60), 1),
    }


def operator_cost(operator: Operator, minutes: int) -> dict[str, Any]:
    """Microseconds a reading of one operator, given rows in order."""
    state = np.zeros(METERS, operator.dtype(_quantities()))
    ids, interval_ms = [f"E350-{i}" for i in range(METERS)], np.full(METERS, INTERVAL_MS, np.int64)
    meters = Meters(PROFILE, _quantities(), ids, ["F1"] * METERS, ["S1"] * METERS, interval_ms)
    values = np.round(np.random.default_rng(1).gamma(2, 100, (METERS, len(_quantities()))), 1)
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
    return {
        "operator": operator.name,
        **_per_reading(spent / rows * 1e6),
        "bytes_per_meter": state.dtype.itemsize,
    }


def neighbours_cost(rows: int) -> dict[str, Any]:
    """Of one partition's substations, with 100 meters each, given so many rows a call; fewer hours if one by one."""
    operator, groups, count = Neighbours(), Groups(), HOURS if rows > 1 else 4
    state = np.zeros(METERS, operator.hourly_dtype())
    ids, substations = [f"{PROFILE}\x1fE350-{i}" for i in range(METERS)], [f"S{i // 100}" for i in range(METERS)]
    groups.follow(ids, substations, [])
    load = np.random.default_rng(1).gamma(2, 100, (count, METERS))
    began = time.process_time()
    for hour in range(count):
        for first in range(0, METERS, rows):
            meter = np.arange(first, first + rows)
            hours = np.full(rows, BEGIN // 3_600_000 + hour)
            told = HourlyLoads(ids, substations, substations, meter, hours, load[hour, meter], groups)
            operator.on_hourly_loads(state, told)
    us = (time.process_time() - began) / count / METERS * 1e6
    return {
        "us_per_hourly_load": round(us, 3),
        "bytes_per_meter": state.dtype.itemsize,
        "core_share": round(us * 1e-6 * CITY_METERS / 3600, 5),
    }


def _per_reading(us: float) -> dict[str, float]:
    return {"us_per_reading": round(us, 3), "core_share": round(us * 1e-6 * CITY_METERS * 1_000 / INTERVAL_MS, 4)}


def _quantities() -> tuple[Quantity, ...]:
    catalogue = load_catalogue()
    return tuple(catalogue.quantities[name] for name in catalogue.profiles[PROFILE].quantities)


if __name__ == "__main__":
    sys.exit(main())
