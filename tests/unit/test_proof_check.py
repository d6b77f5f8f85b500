"""The proof's comparison finds every kind of fault; else "all equal" would mean nothing."""

import math
from typing import Any

import pytest

from bench.proof_check import Truth, account_faults, garbage_faults, hour_faults
from bench.proof_truth import Reading, expected_rows
from schemas.durations import HOUR_MS

MIN = 60_000
READINGS = [Reading(k * MIN, (100 + k, 0, 500 + k, 300, 201, 22_987, 22_992, 22_994)) for k in range(90)]
GARBAGE = {
    "topic": "a/b/c/reading",
    "kind": "cut off",
    "reason": "malformed",
    "length": "7",
    "sha256": "h",
    "sha256_kept": "h",
}
TRUTH = Truth(expected_rows("M1", READINGS, MIN, 0, 2 * HOUR_MS), 90, 90, [GARBAGE], 3, 0, 2 * HOUR_MS)


def rows() -> list[dict[str, Any]]:
    """What the view would say: 64-bit integers as text, NaN as null, as ClickHouse's JSON has them."""
    found = []
    for (meter, quantity, start), e in TRUTH.rows.items():
        numbers = {
            name: getattr(e, name) for name in ("mean", "min", "max", "energy_trapezoid_wh", "register_difference")
        }
        row = {name: None if math.isnan(value) else value for name, value in numbers.items()}
        key = {"meter": meter, "quantity": quantity, "start_ms": str(start)}
        found.append(row | key | {"count": str(e.count), "covered_ms": str(e.covered_ms)})
    return found


def test_equal_is_equal() -> None:
    assert len(TRUTH.rows) == 16
    assert list(hour_faults(rows(), TRUTH)) == []


@pytest.mark.parametrize(
    "field", ["count", "mean", "min", "max", "energy_trapezoid_wh", "register_difference", "covered_ms"]
)
def test_one_wrong_number_is_found(field: str) -> None:
    wrong = rows()
    row = next(r for r in wrong if r[field] is not None and float(r[field]) > 0)
    row[field] = str(int(row[field]) + 1) if isinstance(row[field], str) else row[field] * (1 + 1e-6)
    [fault] = hour_faults(wrong, TRUTH)
    assert f"{field}:" in fault


def test_missing_twice_and_unknown_rows_are_found() -> None:
    whole = rows()
    assert [f.rsplit(": ", 1)[1] for f in hour_faults(whole[1:], TRUTH)] == ["missing"]
    assert [f.rsplit(": ", 1)[1] for f in hour_faults([*whole, whole[0]], TRUTH)] == ["twice in the view"]
    other = whole[0] | {"meter": "M2"}
    assert [f.rsplit(": ", 1)[1] for f in hour_faults([*whole, other], TRUTH)] == ["nobody sent that"]


def letter(**other: str) -> dict[str, Any]:
    return {"address": "a/b/c/reading", "reason": "malformed", "length": "7", "sha256": "h", "sha256_kept": "h"} | other


def test_garbage_needs_its_letter_with_its_bytes() -> None:
    assert list(garbage_faults([letter()], TRUTH, again=False)) == []
    assert list(garbage_faults([letter(), letter()], TRUTH, again=True)) == []
    assert "2 dead letters" in next(garbage_faults([letter(), letter()], TRUTH, again=False))
    assert "0 dead letters" in next(garbage_faults([], TRUTH, again=False))
    assert "says" in next(garbage_faults([letter(sha256_kept="x")], TRUTH, again=False))
    assert "says" in next(garbage_faults([letter(reason="unit")], TRUTH, again=False))
    assert "no garbage" in next(garbage_faults([letter(), letter(sha256="other")], TRUTH, again=False))


SENT = {"sent": 90, "duplicates": 3, "garbage": 1}
SHARDS = {"received": 93, "duplicates": 3, "conflicts": 0, "late": 0, "future": 0, "pending": 7, "released": 83}


def test_an_account_that_adds_up() -> None:
    assert list(account_faults(SENT, SHARDS, TRUTH, again=False)) == []
    redelivered = SHARDS | {"received": 98, "duplicates": 7, "late": 1}
    assert list(account_faults(SENT, redelivered, TRUTH, again=True)) == []
    assert len(list(account_faults(SENT, redelivered, TRUTH, again=False))) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"received": 92},
        {"released": 82},
        {"duplicates": 4, "received": 94},
        {"conflicts": 1, "received": 94},
        {"pending": 8},
    ],
)
def test_an_account_that_does_not(wrong: dict[str, int]) -> None:
    assert list(account_faults(SENT, SHARDS | wrong, TRUTH, again=False))
    assert list(account_faults(SENT | {"sent": 89}, SHARDS, TRUTH, again=False))
