"""Unusual load, as an alert that says what was expected, what came, since when, and how rare that is.

Each meter's load is judged in quarters of an hour by what the meter itself did before (detector.py). An alert is raised
when something is worth telling, told again if it gets a hundred times rarer, and cleared once the load has been usual
for an hour. A new meter is learning for its first hundred quarters (25 h): no alert. Hours are those of UTC: where
clocks change, the daily shape is an hour off until it is learned anew, within days.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from schemas.alert import Alert
from schemas.blocks import Float64s, Int64s
from schemas.catalogue import Quantity
from streams import loads, periods
from streams.anomaly import detector
from streams.anomaly.detector import Judgement
from streams.anomaly.normal import VIEWS
from streams.contract import Meters, Operator, Released, Result, State
from streams.loads import Load
from streams.samples import Scale

QUARTER_MS = 900_000
ALERT_DECADES = 10.0
"""Rarity from which an alert is raised: in recorded homes less than one a meter and half-year (docs/anomaly.md)."""
UNUSUAL_DECADES = 4.0
"""From this rarity on a quarter is part of what is going on."""
CALM_QUARTERS = 4
"""So many usual ones end it."""


class Anomaly(Operator):
    """One alert a meter and episode: raised, updated when it gets much rarer, cleared."""

    name = "anomaly"
    version = 1
    takes = frozenset({"ReadingBlock"})
    gives = frozenset({"Alert"})

    def dtype(self, quantities: Sequence[Quantity]) -> np.dtype[Any]:
        """The open quarter, what the detector has learned, and the alert that is open."""
        return np.dtype(
            [
                ("quarter", periods.dtype(len(quantities))),
                ("load", loads.DTYPE),
                ("detector", detector.DTYPE),
                ("unusual_since", "i8"),
                ("calm", "i4"),
                ("number", "i4"),
                ("raised_at", "i8"),
            ]
        )

    def on_released(self, state: State, meters: Meters, released: Released) -> list[Result]:
        """Judge the quarters that close, a meter's one after the other."""
        load = Load.of(meters.quantities)
        if load is None:
            return []
        closed = periods.fold(state["quarter"], released, meters.quantities, QUARTER_MS)
        scale, rank = Scale.of(meters.quantities), periods.ranked(closed.meter)
        results: list[Result] = []
        for nth in range(int(rank.max(initial=-1)) + 1):
            quarters = closed.take(rank == nth)
            value = loads.mean_load(state["load"], quarters, load, scale, QUARTER_MS)
            known = ~np.isnan(value)
            start = quarters.id[known] * QUARTER_MS
            results += _judge(state, meters, load, quarters.meter[known], start, value[known])
        return results


def _judge(state: State, meters: Meters, load: Load, meter: Int64s, start: Int64s, value: Float64s) -> list[Result]:
    """At most one quarter a meter."""
    learned = state["detector"][meter]
    judgement = detector.judge(learned, start, value, ALERT_DECADES)
    state["detector"][meter] = learned
    unusual = judgement.decades >= UNUSUAL_DECADES
    since = state["unusual_since"][meter]
    state["unusual_since"][meter] = since = np.where(unusual & (since == 0), start, since)
    state["calm"][meter] = calm = np.where(unusual, 0, state["calm"][meter] + 1)
    over = (calm >= CALM_QUARTERS) & (since > 0)
    state["unusual_since"][meter[over]] = 0
    telling = np.flatnonzero(judgement.told | (over & (state["number"][meter] > 0))).tolist()
    return [_alert(state, meters, load, int(meter[i]), i, start, value, judgement, int(since[i])) for i in telling]


def _alert(
    state: State,
    meters: Meters,
    load: Load,
    meter: int,
    i: int,
    start: Int64s,
    value: Float64s,
    judgement: Judgement,
    since: int,
) -> Alert:
    cleared = not judgement.told[i]
    at = int(start[i]) + QUARTER_MS
    number, raised_at = int(state["number"][meter]) + 1, int(state["raised_at"][meter]) or at
    state["number"][meter], state["raised_at"][meter] = (0, 0) if cleared else (number, raised_at)
    came, expected, spread = (float(column[i]) for column in (value, judgement.expected, judgement.spread))
    rarity, subject = float(judgement.decades[i]), meters.ids[meter]
    told = f"{came:.4g} {load.unit} came where {expected:.4g} +/- {spread:.2g} was expected"
    return Alert(
        id=f"anomaly/{subject}/{raised_at}",
        number=number,
        kind="anomaly",
        severity="info" if cleared else "warning",
        state="cleared" if cleared else "raised" if number == 1 else "updated",
        subject=subject,
        feeder=meters.feeders[meter],
        substation=meters.substations[meter],
        at=at,
        raised_at=raised_at,
        summary=f"Load of {subject} {'is usual again: ' if cleared else 'is unusual: '}{told}",
        evidence={
            "came": round(came, 3),
            "expected": round(expected, 3),
            "spread": round(spread, 3),
            "unit": load.unit,
            "unusual_since": datetime.fromtimestamp(since / 1000, UTC).isoformat(timespec="seconds"),
            "rarity_decades": round(rarity, 2),
            "alert_decades": ALERT_DECADES,
            "compared_with": VIEWS[judgement.view[i]],
            "learned_quarters": int(state["detector"]["normal"]["count"][meter]),
        },
    )
