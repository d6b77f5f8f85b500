"""Unusual load: a score for each quarter of an hour, and an alert that says what was expected, what came, since when,
and how rare that is.

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
from schemas.arrays import Float64s, Int64s
from schemas.catalogue import Quantity
from schemas.durations import QUARTER_MS
from schemas.results import AnomalyScoreBlock
from streams import loads, periods
from streams.anomaly import detector
from streams.anomaly.detector import Judgement
from streams.anomaly.normal import VIEWS
from streams.contract import MOST_ROWS, Elapsed, Meters, Operator, Released, Result, State
from streams.gone import GONE_AFTER_MS, closing
from streams.loads import Load
from streams.samples import Scale

ALERT_DECADES = 10.0
"""Rarity from which an alert is raised: in recorded homes less than one a meter and half-year (docs/anomaly.md)."""
UNUSUAL_DECADES = 6.0
"""From this rarity on a quarter is part of what is going on: in recorded homes about one in a hundred is."""
CALM_QUARTERS = 4
"""So many usual ones end it."""
_STATES = np.array(["usual", "unusual", "alerted", "learning"])


class Anomaly(Operator):
    """A score a meter and quarter; an alert a meter and episode: raised, updated when it gets much rarer, cleared."""

    name = "anomaly"
    version = 3
    takes = frozenset({"ReadingBlock"})
    gives = frozenset({"Alert", "AnomalyScoreBlock"})

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
            means = loads.mean_load(state["load"], quarters, load, scale, QUARTER_MS)
            known = ~np.isnan(means.load)
            meter, start = quarters.meter[known], quarters.id[known] * QUARTER_MS
            results += self._judge(state, meters, load, meter, start, means.load[known], means.step[known])
        return results

    def on_time(self, state: State, meters: Meters, elapsed: Elapsed) -> list[Result]:
        """Close what is open of meters that no longer report."""
        gone = np.flatnonzero((elapsed.since_arrival_ms > GONE_AFTER_MS) & (state["number"] > 0))
        closed: list[Result] = [_closed(state[meter], meters, meter) for meter in gone.tolist()]
        for name in ("number", "raised_at", "unusual_since"):
            state[name][gone] = 0
        return closed

    def _judge(
        self, state: State, meters: Meters, load: Load, meter: Int64s, start: Int64s, value: Float64s, step: Float64s
    ) -> list[Result]:
        """At most one quarter a meter."""
        learned = state["detector"][meter]
        judgement = detector.judge(learned, start, value, ALERT_DECADES, step)
        state["detector"][meter] = learned
        alerts = _alerts(state, meters, load, meter, start, value, judgement)
        return [*alerts, *_scores(meters, load, meter, start, value, judgement, self.version)]


def _alerts(
    state: State, meters: Meters, load: Load, meter: Int64s, start: Int64s, value: Float64s, judgement: Judgement
) -> list[Alert]:
    """Follow each meter's episode; the versions of alerts that this makes."""
    unusual = judgement.decades >= UNUSUAL_DECADES
    since = state["unusual_since"][meter]
    state["unusual_since"][meter] = since = np.where(unusual & (since == 0), start, since)
    state["calm"][meter] = calm = np.where(unusual, 0, state["calm"][meter] + 1)
    over = (calm >= CALM_QUARTERS) & (since > 0)
    state["unusual_since"][meter[over]] = 0
    telling = np.flatnonzero(judgement.told | (over & (state["number"][meter] > 0))).tolist()
    return [_alert(state, meters, load, int(meter[i]), i, start, value, judgement, int(since[i])) for i in telling]


def _closed(known: State, meters: Meters, meter: int) -> Alert:
    id, raised_at, last = meters.ids[meter], int(known["raised_at"]), int(known["detector"]["normal"]["last_at"])
    place = meters.feeders[meter], meters.substations[meter]
    name = f"anomaly/{id}/{raised_at}"
    return closing(name, int(known["number"]) + 1, "anomaly", id, *place, raised_at, last + QUARTER_MS)


def _scores(
    meters: Meters, load: Load, meter: Int64s, start: Int64s, value: Float64s, judgement: Judgement, version: int
) -> list[AnomalyScoreBlock]:
    """Each quarter as a row, in blocks."""
    place = np.where(judgement.told, 2, judgement.decades >= UNUSUAL_DECADES)
    state = _STATES[np.where(judgement.learning, 3, place)]
    return [
        AnomalyScoreBlock(
            operator_version=version,
            unit=load.unit,
            meters=[meters.ids[row] for row in meter[some].tolist()],
            row_meter=np.arange(len(meter[some]), dtype=np.int32),
            start=start[some],
            end=start[some] + QUARTER_MS,
            load=value[some],
            expected=judgement.expected[some],
            low=judgement.low[some],
            high=judgement.high[some],
            rarity_decades=judgement.decades[some],
            state=state[some].tolist(),
        )
        for some in (slice(i, i + MOST_ROWS) for i in range(0, len(meter), MOST_ROWS))
    ]


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
    figures, subject = _figures(value, judgement, i), meters.ids[meter]
    told = "{came:.4g} {unit} came where {expected:.4g} ({low:.4g} to {high:.4g}) was expected"
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
        summary=f"Load of {subject} {'is usual again: ' if cleared else 'is unusual: '}"
        + told.format(unit=load.unit, **figures),
        evidence={
            **{name: round(figure, 3) for name, figure in figures.items()},
            "unit": load.unit,
            "unusual_since": datetime.fromtimestamp(since / 1000, UTC).isoformat(timespec="seconds"),
            **_rarity(judgement, i),
            "learned_quarters": int(state["detector"]["normal"]["count"][meter]),
        },
    )


def _figures(value: Float64s, judgement: Judgement, i: int) -> dict[str, float]:
    """What came, and what was expected, of the i-th quarter."""
    names = ("expected", "low", "high", "spread")
    return {"came": float(value[i])} | {name: float(getattr(judgement, name)[i]) for name in names}


def _rarity(judgement: Judgement, i: int) -> dict[str, Any]:
    """How rare the i-th quarter is, from which rarity on that is told, and what it was compared with."""
    return {
        "rarity_decades": round(float(judgement.decades[i]), 2),
        "alert_decades": ALERT_DECADES,
        "compared_with": VIEWS[judgement.view[i]],
    }
