"""How fast DLMS pushes are decoded, and batches of a profile's rows by the row: `python -m bench.dlms`.

Pushes are golden cases of tests/cases/dlms; a batch is composed here: capture objects, scalers, and rows of a second
with three values each. Counted is this process's CPU time; the median of the rounds stands.
"""

import json
import statistics
import struct
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from bench.report import report
from connectors.decode.dlms.decoder import decode_dlms
from connectors.decode.telegram import Keys

CASES = Path(__file__).parents[1] / "tests" / "cases" / "dlms"
PUSHES = (
    "norwegian_list_1",
    "list_of_channel_1",
    "flat_list_of_a_known_maker",
    "objects_with_scalers",
    "objects_ciphered",
)
ROWS = (60, 900, 3600)
ROUNDS = 30
ROUND_CALLS = 100

_HEADER = bytes.fromhex("0f4000000100 0203")
_COLUMNS = bytes.fromhex(
    "0104"
    "0204 120008 0906 0000010000ff 0f02 120000"
    "0204 120003 0906 0100010700ff 0f02 120000"
    "0204 120003 0906 0100020700ff 0f02 120000"
    "0204 120003 0906 0100010800ff 0f02 120000"
)
_SCALERS = bytes.fromhex("0104 02020f0016ff 02020f00161b 02020f00161b 02020f00161e")


def batch(rows: int) -> bytes:
    """A data-notification of so many rows."""
    return _HEADER + _COLUMNS + _SCALERS + b"\x01\x82" + rows.to_bytes(2, "big") + b"".join(map(_row, range(rows)))


def _row(number: int) -> bytes:
    minute, second = divmod(number, 60)
    at = struct.pack(">HBBBBBBBhB", 2026, 11, 25, 3, 12, minute, second, 0, 0, 0)
    return b"\x02\x04\x09\x0c" + at + struct.pack(">BIBIBI", 6, 1500 + number % 97, 6, 0, 6, 88_000 + number)


def median_us(payload: bytes, keys: Mapping[str, list[bytes]], calls: int) -> float:
    """Microseconds of CPU time that one payload takes."""

    def decode() -> None:
        for _ in range(calls):
            decode_dlms(payload, _keys(keys))

    return statistics.median(_seconds(decode) for _ in range(ROUNDS)) / calls * 1e6


def _keys(keys: Mapping[str, list[bytes]]) -> Keys:
    return lambda title: keys.get(title, ())


def _seconds(work: Callable[[], None]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def main() -> None:
    """Measure, print, keep."""
    pushes: list[dict[str, object]] = []
    for name in PUSHES:
        payload = bytes.fromhex((CASES / name / "telegram.hex").read_text("ascii"))
        known = json.loads((CASES / name / "expected.json").read_text("utf-8")).get("keys", {})
        keys = {title: [bytes.fromhex(key) for key in some] for title, some in known.items()}
        values = sum(len(one.measured) for one in decode_dlms(payload, _keys(keys)))
        us = round(median_us(payload, keys, ROUND_CALLS), 1)
        pushes.append({"case": name, "bytes": len(payload), "values": values, "us": us})
        print(f"{name:<32}{len(payload):>6} bytes{values:>4} values{us:>9} us")
    batches: list[dict[str, object]] = []
    for rows in ROWS:
        us = median_us(batch(rows), {}, max(1, ROUND_CALLS // rows))
        batches.append({"rows": rows, "us_per_row": round(us / rows, 2), "rows_per_s": round(1e6 * rows / us)})
        print(f"batch of {rows} rows{us / rows:>10.2f} us a row")
    report("dlms", {"pushes": pushes, "batches": batches}, packages=["cryptography", "numpy"])


if __name__ == "__main__":
    main()
