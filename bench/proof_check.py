"""Reads the views that users query, and holds them against the truth."""

import csv
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

from bench.proof_truth import Expected, differences, expected_rows, read_recording, read_stretches, readings_of
from flexmeter.local.page_query import Row, query

Key = tuple[str, str, int]

_HOURS = """\
SELECT meter, quantity, toUnixTimestamp64Milli(start) AS start_ms, count, mean, min, max, energy_trapezoid_wh,
register_difference, covered_ms FROM flexmeter.aggregates
WHERE window = '1h' AND meter = {meter:String}
AND start >= fromUnixTimestamp64Milli({first:Int64}) AND start < fromUnixTimestamp64Milli({end:Int64})"""
_PROGRESS = """\
SELECT (SELECT count() FROM flexmeter.aggregates WHERE window = '1h' AND
start >= fromUnixTimestamp64Milli({first:Int64}) AND start < fromUnixTimestamp64Milli({end:Int64})) AS hours,
(SELECT count() FROM flexmeter.readings) AS readings, (SELECT count() FROM flexmeter.dead_letters) AS dead"""
_ACCOUNT = """\
SELECT count() AS partitions, sum(received) AS received, sum(duplicates) AS duplicates, sum(conflicts) AS conflicts,
sum(late) AS late, sum(future) AS future, sum(pending) AS pending, sum(released) AS released, sum(meters) AS meters
FROM flexmeter.accounts WHERE stream = 'metering'"""
_DEAD = """\
SELECT address, reason, payload_length AS length, payload_sha256 AS sha256, lower(hex(SHA256(payload))) AS sha256_kept
FROM flexmeter.dead_letters"""


@dataclass(frozen=True, slots=True)
class Truth:
    """What must be there at the end."""

    rows: Mapping[Key, Expected]
    readings: int
    """Distinct readings, all of them."""
    in_hours: int
    """Distinct readings in the hours compared."""
    garbage: list[dict[str, str]]
    repeats: int
    first: int
    end: int


def truth_of(run: Path, recording: Path, days: int, told: Callable[[str], None]) -> Truth:
    """Compute it from the recording and what the replay wrote down: who replays which stretch, and the garbage."""
    replay = orjson.loads((run / "replay.json").read_bytes())
    first, interval_ms = replay["start"], replay["interval_ms"]
    end = first + days * 86_400_000
    tenths = read_recording(sorted(recording.glob("*.gzip")))
    stretches = read_stretches(run / "stretches.csv")
    rows: dict[Key, Expected] = {}
    readings = in_hours = 0
    for number, stretch in enumerate(stretches, 1):
        samples = list(readings_of(stretch, tenths, first, replay["minutes"]))
        readings += len(samples)
        in_hours += sum(first <= sample.at < end for sample in samples)
        rows |= expected_rows(stretch.meter, samples, interval_ms, first, end)
        if number % 20 == 0 or number == len(stretches):
            told(f"truth of {number} of {len(stretches)} meters computed: {len(rows):,} rows")
    with (run / "garbage.csv").open(newline="") as file:
        garbage = list(csv.DictReader(file))
    return Truth(rows, readings, in_hours, garbage, replay["duplicates"], first, end)


def progress(port: int, truth: Truth) -> dict[str, int]:
    """How many hours, readings and dead letters have arrived."""
    (found,) = query(port, _PROGRESS, {"first": str(truth.first), "end": str(truth.end)}, timeout_s=120)
    return {name: int(count) for name, count in found.items()}


def account(port: int) -> dict[str, int]:
    """The shards' account, summed over the partitions."""
    (found,) = query(port, _ACCOUNT, timeout_s=120)
    return {name: int(count) for name, count in found.items()}


def hours(port: int, truth: Truth) -> Iterator[Row]:
    """The hourly aggregates of the days compared, as users see them."""
    for meter in sorted({key[0] for key in truth.rows}):
        span = {"first": str(truth.first), "end": str(truth.end), "meter": meter}
        yield from query(port, _HOURS, span, timeout_s=120)


def letters(port: int) -> list[Row]:
    """All dead letters, as users see them."""
    return query(port, _DEAD, timeout_s=120)


def hour_faults(rows: Iterable[Row], truth: Truth) -> Iterator[str]:
    """What is wrong with the hourly aggregates: missing, twice, too many, or different."""
    found: dict[Key, Expected] = {}
    for row in rows:
        key = (str(row["meter"]), str(row["quantity"]), int(row["start_ms"]))
        if key in found:
            yield f"{key}: twice in the view"
        found[key] = _found(row)
    for key, expected in truth.rows.items():
        if key not in found:
            yield f"{key}: missing"
        elif wrong := differences(expected, found[key]):
            yield f"{key}: {'; '.join(wrong)}"
    for key in found.keys() - truth.rows.keys():
        yield f"{key}: nobody sent that"


def _found(row: Row) -> Expected:
    def real(name: str) -> float:
        return math.nan if row[name] is None else float(row[name])

    return Expected(
        count=int(row["count"]),
        mean=real("mean"),
        min=real("min"),
        max=real("max"),
        energy_trapezoid_wh=real("energy_trapezoid_wh"),
        register_difference=real("register_difference"),
        covered_ms=int(row["covered_ms"]),
    )


def garbage_faults(rows: Iterable[Row], truth: Truth, again: bool) -> Iterator[str]:
    """Garbage without its dead letter, or with other bytes, or (unless `again`) with two; letters of what was none.

    A letter holds the first 256 kB of a payload: their SHA-256 and that of the whole are both compared.
    """
    by_hash: dict[str, list[Row]] = {}
    for row in rows:
        by_hash.setdefault(str(row["sha256"]), []).append(row)
    for piece in truth.garbage:
        found = by_hash.pop(piece["sha256"], [])
        if not found or (len(found) > 1 and not again):
            yield f"garbage {piece['kind']!r} on {piece['topic']} has {len(found)} dead letters"
        for letter in found:
            said = (letter["address"], letter["reason"], str(letter["length"]), letter["sha256_kept"])
            if said != (piece["topic"], piece["reason"], piece["length"], piece["sha256_kept"]):
                yield f"garbage {piece['kind']!r} on {piece['topic']}: its dead letter says {said}"
    for unknown in by_hash.values():
        yield f"a dead letter of what was no garbage: {unknown[0]}"


def account_faults(sent: Mapping[str, int], shards: Mapping[str, int], truth: Truth, again: bool) -> Iterator[str]:
    """Where the account does not add up. `again`: parts were killed, so some rows were delivered once more.

    >>> whole = {"received": 11, "duplicates": 1, "conflicts": 0, "late": 0, "future": 0, "pending": 2, "released": 8}
    >>> t = Truth({}, 10, 10, [], 1, 0, 0)
    >>> list(account_faults({"sent": 10, "duplicates": 1, "garbage": 0}, whole, t, False))
    []
    """
    wanted = {"sent": truth.readings, "duplicates": truth.repeats, "garbage": len(truth.garbage)}
    for name, count in wanted.items():
        if sent[name] != count:
            yield f"the fleet's {name}: {sent[name]}, expected {count}"
    parts = ("duplicates", "conflicts", "late", "future", "pending", "released")
    if shards["received"] != sum(shards[name] for name in parts):
        yield f"received {shards['received']} is not the sum of {', '.join(parts)}"
    if shards["released"] + shards["pending"] != truth.readings:
        yield f"released + pending = {shards['released'] + shards['pending']}, distinct readings: {truth.readings}"
    if shards["conflicts"] or shards["future"]:
        yield f"{shards['conflicts']} conflicts and {shards['future']} rows of the future, expected none"
    repeated = shards["duplicates"] + shards["late"]
    if repeated < truth.repeats or (not again and (repeated > truth.repeats or shards["late"])):
        yield f"{shards['duplicates']} duplicates and {shards['late']} late, expected {truth.repeats} and none"
