"""What is kept of each meter's last gasps: the first after its newest proof of supply, whatever is said again."""

import numpy as np

from streams.outage.evidence import REPEATED_MS, Evidence, Kind, Meters, new_meters, take

MINUTE = 60_000
Row = tuple[int, Kind, int, float]
"""Meter, kind, event time in minutes, volts."""


def said(meters: Meters, *turns: list[Row]) -> list[float]:
    """The last gasp of each meter, in minutes, after these turns."""
    for rows in turns:
        meter, kind = (np.array([row[i] for row in rows], np.int64) for i in (0, 1))
        at = np.array([row[2] * MINUTE for row in rows], np.int64)
        take(meters, Evidence(meter, kind, at, at + 100, np.array([row[3] for row in rows])))
    return (meters["gasp_ms"] / MINUTE).tolist()


def lit(minute: int, meter: int = 0) -> Row:
    return meter, Kind.VOLTAGE, minute, 230.0


def low(minute: int, meter: int = 0) -> Row:
    return meter, Kind.VOLTAGE, minute, 3.0


def gasp(minute: int, meter: int = 0) -> Row:
    return meter, Kind.LAST_GASP, minute, np.nan


def test_low_voltages_are_one_loss_however_long_they_come() -> None:
    assert said(new_meters(1), [lit(1)], *[[low(minute)] for minute in range(15, 200, 15)]) == [15]


def test_low_voltages_are_one_loss_whenever_supply_comes_back() -> None:
    assert said(new_meters(1), [lit(1)], [low(15)], [low(30), lit(40)]) == [15]
    assert said(new_meters(1), [lit(1)], [low(15), low(30), lit(40)]) == [15], "in one turn"
    assert said(new_meters(1), [lit(1)], [low(15)], [low(30)], [lit(20)]) == [30], "which came late"
    assert said(new_meters(1), [lit(1)], [low(45)], [low(40)]) == [40], "the first of which came late"
    assert said(new_meters(1), [lit(1)], [low(15)], [low(30)], [low(45)], [gasp(46)]) == [15], "and are told as well"


def test_a_low_voltage_after_proof_is_another_loss() -> None:
    assert said(new_meters(1), [lit(1)], [low(15)], [lit(30)], [low(45)]) == [45]
    assert said(new_meters(1), [lit(1)], [low(15)], [lit(30), low(45)]) == [45], "in one turn"


def test_a_gasp_said_again_and_again_is_one_loss_and_one_long_after_another() -> None:
    again = range(10, 40, REPEATED_MS // MINUTE - 1)
    assert said(new_meters(1), [lit(1)], *[[gasp(minute)] for minute in again]) == [10]
    assert said(new_meters(1), [lit(1)], [gasp(10)], [gasp(10 + REPEATED_MS // MINUTE)]) == [15]


def test_what_another_meter_says_moves_no_gasp() -> None:
    first = [lit(1), lit(1, 1)], [gasp(10)], [gasp(11)], [lit(12)]
    assert said(new_meters(2), *first) == [10, 0]
    assert said(new_meters(2), *first, [gasp(20, 1)]) == [10, 20]
    assert said(new_meters(2), *first, [gasp(10)], [gasp(20, 1)]) == [10, 20], "nor the same again"


def test_a_gasp_that_supply_came_before_is_the_newest() -> None:
    assert said(new_meters(1), [lit(1)], [gasp(10)], [gasp(14)], [lit(12)]) == [14]
    assert said(new_meters(1), [lit(12)], [gasp(10)]) == [10], "it was on its way"
