"""How fast blocks of readings are written and read by numpy, and by fastavro, side by side: `python -m bench.codec`.

Blocks of the E350 (8 quantities) as bridges pack them: each meter once, feeders of unequal length, times within the
linger, counters that differ. Both go from and to the same dataclass of numpy arrays, as the pipeline needs them (for
fastavro that means lists in between), with the same checks of shape. The two take turns, round by round, so that
whatever else the machine does hits both; counted is this process's CPU time. The median of the rounds stands. Exit
code 1 where numpy is not the faster.
"""

import statistics
import sys
import time
from collections.abc import Callable

import numpy as np

from bench.report import report
from schemas.blocks import ReadingBlock
from schemas.catalogue import load_catalogue
from schemas.codec import avro_reader, avro_writer, decode, encode
from schemas.versions import current

PROFILE = "malmo_household"
ROWS = (200, 1000)
ROUNDS = 60
ROUND_ROWS = 4000


def household_block(rows: int, seed: int = 3) -> ReadingBlock:
    """A block of `rows` meters' readings."""
    random = np.random.default_rng(seed)
    columns = list(load_catalogue().profiles[PROFILE].quantities)
    return ReadingBlock(
        source="mqtt_malmo",
        profile=PROFILE,
        received_at=1_795_507_200_000,
        meters=[f"LGZ{100_000 + index}" for index in range(rows)],
        feeders=[f"feeder-{index % 12 + 1}" for index in range(rows)],
        substations=[f"substation-{index % 2 + 1}" for index in range(rows)],
        intervals_ms=np.full(rows, 10_000),
        row_meter=np.arange(rows, dtype=np.int32),
        at=1_795_507_200_000 + random.integers(0, 500, rows),
        sequence=random.integers(0, 100_000, rows),
        quality=np.zeros(rows, np.int32),
        columns=columns,
        values=random.normal(1000.0, 300.0, rows * len(columns)),
    )


def measure(rows: int) -> dict[str, float]:
    """Rows a second of CPU time, and how many times numpy's are fastavro's."""
    block = household_block(rows)
    version = current()["ReadingBlock"]
    schema = version.schema()
    write, read = avro_writer(version.id, schema), avro_reader(schema, schema, ReadingBlock)
    payload = encode(block)
    if write(block) != payload:
        raise AssertionError("the two do not write the same bytes: nothing to compare")
    seconds = in_turns(
        {
            "encode_numpy": lambda: encode(block),
            "encode_fastavro": lambda: write(block),
            "decode_numpy": lambda: decode(payload),
            "decode_fastavro": lambda: read(payload),
        },
        calls=ROUND_ROWS // rows,
    )
    rates = {f"{name}_rows_per_s": round(rows / taken) for name, taken in seconds.items()}
    ratios = {
        f"{way}_ratio": round(seconds[f"{way}_fastavro"] / seconds[f"{way}_numpy"], 2) for way in ("encode", "decode")
    }
    return {"rows": rows, "bytes": len(payload), **rates, **ratios}


def in_turns(ways: dict[str, Callable[[], object]], calls: int) -> dict[str, float]:
    """Median CPU seconds of one call of each, over rounds in which each has its turn."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            began = time.process_time()
            for _ in range(calls):
                way()
            taken[name].append((time.process_time() - began) / calls)
    return {name: statistics.median(times) for name, times in taken.items()}


def main() -> int:
    """Measure, print, keep."""
    results = [measure(rows) for rows in ROWS]
    for result in results:
        print(f"blocks of {result['rows']:.0f} rows of 8 values, {result['bytes']:.0f} bytes:")
        for way in ("encode", "decode"):
            numpy_rate, avro_rate = (result[f"{way}_{by}_rows_per_s"] / 1e6 for by in ("numpy", "fastavro"))
            ratio = result[f"{way}_ratio"]
            print(f"  {way}: numpy {numpy_rate:.2f} M rows/s, fastavro {avro_rate:.2f} M rows/s, ratio {ratio:.2f}")
    report("codec", {"profile": PROFILE, "blocks": results}, packages=["numpy", "fastavro"])
    return int(any(result[f"{way}_ratio"] <= 1 for result in results for way in ("encode", "decode")))


if __name__ == "__main__":
    sys.exit(main())
