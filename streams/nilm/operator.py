"""Appliances from the mains of a home, as they run: non-intrusive load monitoring without training in the home.

Most rows say nothing new: the mains is as it was within its noise. They are told apart for all homes of a turn at once,
and only their energy is counted. A row at which the mains changes, or an open question is due, goes through loads.py.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from schemas.arrays import Float64s, Int64s
from schemas.catalogue import Quantity
from schemas.durations import QUARTER_MS
from streams.active_power import signs_of
from streams.contract import Elapsed, Labels, Mask, Meters, Operator, Released, Result, State
from streams.nilm import energy
from streams.nilm.beliefs import learn_label
from streams.nilm.described import described
from streams.nilm.energy import STEPS_PER_WATT
from streams.nilm.frame import MOST_W, Frame, frame_of, reach_ms
from streams.nilm.home import Home, dtype, freeze, thaw
from streams.nilm.library import Library, load_library
from streams.nilm.life import call
from streams.nilm.loads import begin, floor_w, look, wake_at
from streams.nilm.results import blocks
from streams.nilm.told import Told, level
from streams.nilm.weights import Weights


class Nilm(Operator):
    """When each appliance came on and went off, and its energy per quarter of an hour and per day.

    Assumes rows in event-time order with the home's active power, at most 300 s apart. A fact is told at once and
    revised when more is known: the first revision of a load is what was believed when it came on. Appliances are never
    negative, and with the remainder add up to the mains, which is below zero where the home feeds in. A gap of more
    than three reporting intervals and a minute, a value that stays exactly the same for an hour, a register that falls
    and a missing voltage are no data: loads end there with an unknown end, no energy is counted.
    Cost: some numpy passes over a turn's rows, and tenths of a millisecond for each row at which something happens.
    """

    name = "nilm"
    version = 4
    takes = frozenset({"ReadingBlock", "HomeRequestBlock"})
    gives = frozenset({"ApplianceEventBlock", "ApplianceEnergyBlock"})

    def __init__(self, library: Library | None = None, weights: Weights | None = None) -> None:
        self.library = library or load_library()
        self.weights = weights or Weights()

    def dtype(self, quantities: Sequence[Quantity]) -> np.dtype[Any]:
        """About 4 kB; nothing where the meter has no active power."""
        return dtype(self.library) if signs_of(tuple(quantities)).any() else np.dtype([("nothing", "i1")])

    def describe(self, state: Any, quantities: Sequence[Quantity]) -> dict[str, Any]:
        """What is on, and what the home has taught."""
        if not signs_of(tuple(quantities)).any():
            return {}
        home = thaw(state.copy(), 0, int(state["last_at"]), self.weights)
        return described(home, self.library)

    def on_released(self, state: State, meters: Meters, released: Released) -> list[Result]:
        """Facts and windows of the rows, and of homes whose data ended."""
        if not signs_of(meters.quantities).any():
            return []
        told: dict[int, Told] = {}
        frame = frame_of(state, released.rows, meters)
        due = frame.broken | frame.changed | (frame.at >= state["wake_at"][frame.meter])
        due |= (frame.level_w < state["floor_w"][frame.meter]) & ~frame.feeds_in
        busy = np.unique(frame.meter[due])
        for meter in busy:
            told[int(meter)] = self._live(state[meter], frame, int(meter), meters.interval_ms)
        for meter, windows in _count_quiet(state, frame, ~np.isin(frame.meter, busy)):
            told.setdefault(meter, Told()).windows += windows
        _remember(state, frame)
        for meter in _ended(state, released, meters.interval_ms):
            self._end(state[meter], told.setdefault(int(meter), Told()), meters.interval_ms[meter])
        for meter, quarter in _closing(state, released):
            told.setdefault(meter, Told()).windows += energy.close(state[meter], quarter)
        return blocks(told, meters, self.library, self.version)

    def on_time(self, state: State, meters: Meters, elapsed: Elapsed) -> list[Result]:
        """The last day of a home that fell silent is over too, when so much time has passed."""
        if not signs_of(meters.quantities).any():
            return []
        silent = np.flatnonzero(~state["known"])
        quarter = (state["last_at"][silent] + elapsed.since_arrival_ms[silent]) // QUARTER_MS
        over = energy.days_over(state, silent, quarter)
        told = {
            int(meter): Told(windows=energy.close(state[meter], int(now)))
            for meter, now in zip(silent[over], quarter[over], strict=True)
        }
        return blocks(told, meters, self.library, self.version)

    def on_labels(self, state: State, meters: Meters, labels: Labels) -> list[Result]:
        """Learn them, and tell a load that is on anew.

        What names no appliance of the library, or no power of a home, is passed over.
        """
        if not signs_of(meters.quantities).any():
            return []
        told: dict[int, Told] = {}
        for row, name in enumerate(labels.appliance):
            power_w, meter = float(labels.power_w[row]), int(labels.meter[row])
            if name in self.library.appliances and 0 < power_w <= MOST_W:
                home = thaw(
                    state[meter], int(meters.interval_ms[meter]) / 1_000, int(state["last_at"][meter]), self.weights
                )
                appliance, now = self.library.position(name), told.setdefault(meter, Told())
                said_at = max(int(labels.at[row]), home.before_at + 1)
                learn_label(home, appliance, power_w, home.before_at or said_at)
                call(home, now, int(labels.number[row]), appliance, said_at)
                freeze(home, state[meter])
        return blocks(told, meters, self.library, self.version)

    def on_withdrawal(self, state: State, meters: Meters, gone: Int64s) -> list[Result]:
        """Nothing later than its last row is looked into: what is on in a home is lost there."""
        if not signs_of(meters.quantities).any():
            return []
        told: dict[int, Told] = {}
        for meter in gone[state["loads"]["number"][gone].any(axis=1)].tolist():
            last_at = int(state["last_at"][meter])
            home = thaw(state[meter], int(meters.interval_ms[meter]) / 1_000, last_at, self.weights)
            begin(home, self.library, told.setdefault(meter, Told()), last_at, None)
        return blocks(told, meters, self.library, self.version)

    def _live(self, record: Any, frame: Frame, meter: int, interval_ms: Int64s) -> Told:
        """The rows of a home in which something happens: those at which it does, and the quiet ones between."""
        first, end = (int(x) for x in np.searchsorted(frame.meter, [meter, meter + 1]))
        told, counted, row = Told(), first, first - 1
        home = thaw(record, int(interval_ms[meter]) / 1_000, int(frame.at[first]), self.weights)
        wake, floor = int(record["wake_at"]), float(record["floor_w"])
        while (row := _next_due(frame, row + 1, end, wake, floor)) < end:
            told.windows += _count(record, home, frame, counted, row)
            counted = row
            home.before_at, home.feeds_in = int(frame.before_at[row]), bool(frame.feeds_in[row])
            if frame.broken[row]:
                at = int(frame.at[row])
                known_at = min(at, home.before_at + int(reach_ms(interval_ms[meter])))
                begin(home, self.library, told, known_at, None if frame.stuck[row] else float(frame.level_w[row]))
                told.windows += energy.close(record, at // QUARTER_MS)
            else:
                level_w, before_w = float(frame.level_w[row]), float(frame.before_level_w[row])
                look(home, self.library, told, int(frame.at[row]), level_w, before_w)
            wake, floor = wake_at(home, self.library), floor_w(home)
        told.windows += _count(record, home, frame, counted, end)
        freeze(home, record)
        record["wake_at"], record["floor_w"] = wake, floor
        return told

    def _end(self, record: Any, told: Told, interval_ms: Any) -> None:
        """The home's rows have stopped: nothing later belongs to what was on."""
        last_at = int(record["last_at"])
        home = thaw(record, int(interval_ms) / 1_000, last_at, self.weights)
        begin(home, self.library, told, last_at + int(reach_ms(interval_ms)), None)
        freeze(home, record)
        record["wake_at"], record["floor_w"], record["known"] = 2**62, -np.inf, False


def _next_due(frame: Frame, row: int, end: int, wake: int, floor: float) -> int:
    """The next row of a home that must be looked at, `end` if there is none."""
    if row < end and (frame.at[row] >= wake or frame.changed[row] or frame.broken[row]):
        return row
    rest = slice(row, end)
    due = frame.changed[rest] | frame.broken[rest] | (frame.at[rest] >= wake)
    due |= (frame.level_w[rest] < floor) & ~frame.feeds_in[rest]
    return row + int(due.argmax()) if due.any() else end


def _remember(state: State, frame: Frame) -> None:
    last = np.append(frame.meter[1:] != frame.meter[:-1], True)[: len(frame.meter)]
    meter = frame.meter[last]
    state["last_at"][meter], state["last_steps"][meter] = frame.at[last], frame.steps[last]
    state["last_level_w"][meter], state["register_wh"][meter] = frame.level_w[last], frame.register_wh[last]
    state["same_since"][meter], state["known"][meter] = frame.same_since[last], True
    state["fed_in_at"][meter] = frame.fed_in_at[last]


def _ended(state: State, released: Released, interval_ms: Int64s) -> Int64s:
    """Homes of which no row can follow the last one without a gap."""
    over = released.watermark - state["last_at"][released.moved] > reach_ms(interval_ms[released.moved])
    ended: Int64s = released.moved[state["known"][released.moved] & over]
    return ended


def _closing(state: State, released: Released) -> Iterator[tuple[int, int]]:
    """Homes without a row that could go on with the last one, and the quarter that has begun for them meanwhile."""
    silent = ~state["known"][released.moved]
    meter, quarter = released.moved[silent], released.watermark[silent] // QUARTER_MS
    closing = energy.closing(state, meter, quarter)
    return zip(meter[closing].tolist(), quarter[closing].tolist(), strict=True)


def split(steps: Int64s, drawn_w: Float64s, feeds_in: Mask) -> Int64s:
    """The mains of each row, as remainder (first column) and appliances, in steps.

    Appliances never exceed the mains, but where the home feeds in: there the remainder is less than nothing by what is
    generated. Shape (r,), (r, k) or (k,), and (r,); returns (r, k).

    >>> split(np.array([1000, -50]), np.array([0.0, 80.0, 40.0]), np.array([False, True])).tolist()
    [[1, 666, 333], [-1250, 800, 400]]
    """
    wanted = np.broadcast_to(drawn_w * STEPS_PER_WATT, (len(steps), drawn_w.shape[-1]))
    total = wanted.sum(axis=1)
    fitting = np.minimum(1.0, np.maximum(steps, 0) / np.maximum(total, 1e-9))
    parts = np.floor(wanted * np.where(feeds_in, 1.0, fitting)[:, None] + 1e-6).astype(np.int64)
    parts[:, energy.REMAINDER] = steps - parts[:, 1:].sum(axis=1)
    whole: Int64s = parts
    return whole


def _count(record: Any, home: Home, frame: Frame, begin_row: int, end_row: int) -> list[energy.Window]:
    """Count the energy of rows of one home between which nothing happens."""
    if begin_row >= end_row:
        return []
    rows = slice(begin_row, end_row)
    drawn_w = np.zeros(home.hours.shape[1])
    for appliance, power_w in level(home):
        drawn_w[appliance] += power_w
    if not drawn_w.any():
        nothing = np.zeros((end_row - begin_row, len(drawn_w)), np.int64)
        nothing[:, energy.REMAINDER] = frame.steps[rows]
        return list(_add(record, frame, rows, nothing))
    parts = split(frame.steps[rows], drawn_w / frame.nominal[rows, None], frame.feeds_in[rows])
    return list(_add(record, frame, rows, parts))


def _add(record: Any, frame: Frame, rows: slice, parts: Int64s) -> Iterator[energy.Window]:
    before = np.where(frame.broken[rows], frame.at[rows], frame.before_at[rows])
    first, first_ms, last, last_ms = energy.pieces(before, frame.at[rows])
    if first[0] == last[-1]:
        covered_ms = int(first_ms.sum())
        if covered_ms:
            yield from energy.add(record, int(first[0]), first_ms @ parts, covered_ms)
        return
    for quarter in range(int(first[0]), int(last[-1]) + 1):
        length_ms = np.where(first == quarter, first_ms, 0) + np.where((last == quarter) & (last_ms > 0), last_ms, 0)
        if length_ms.any():
            yield from energy.add(record, quarter, length_ms @ parts, int(length_ms.sum()))


def _count_quiet(state: State, frame: Frame, quiet: Mask) -> Iterator[tuple[int, list[energy.Window]]]:
    """Count the energy of homes in which nothing happens, at once for those that stay in their quarter."""
    meter = frame.meter[quiet]
    if not len(meter):
        return
    rows = np.flatnonzero(quiet)
    parts = split(frame.steps[rows], _levels(state, meter) / frame.nominal[rows, None], frame.feeds_in[rows])
    first, length_ms, last, last_ms = energy.pieces(frame.before_at[rows], frame.at[rows])
    homes, begins = np.unique(meter, return_index=True)
    slot = first[begins] % energy.QUARTERS
    ends = np.append(begins[1:], len(meter)) - 1
    stays = (
        (first[begins] == last[ends]) & (last_ms[ends] == 0) & (state["quarters"]["id"][homes, slot] == first[begins])
    )
    spent = np.add.reduceat(parts * length_ms[:, None], begins, axis=0)
    covered = np.add.reduceat(length_ms, begins)
    state["quarters"]["energy"][homes[stays], slot[stays]] += spent[stays]
    state["quarters"]["covered_ms"][homes[stays], slot[stays]] += covered[stays].astype(np.int32)
    for i in np.flatnonzero(~stays):
        own = slice(int(begins[i]), int(ends[i]) + 1)
        yield (
            int(homes[i]),
            list(_add(state[homes[i]], frame, slice(rows[own.start], rows[own.stop - 1] + 1), parts[own])),
        )


def _levels(state: State, meter: Int64s) -> Float64s:
    """What each appliance draws, for each row's home, W, shape (r, k)."""
    homes, back = np.unique(meter, return_inverse=True)
    loads = state["loads"][homes]
    drawn_w = np.zeros((len(homes), state["quarters"]["energy"].shape[2]))
    known = loads["appliance"] > 0
    home, _ = np.nonzero(known)
    np.add.at(drawn_w, (home, loads["appliance"][known]), (loads["power_w"] - loads["dip_w"])[known])
    return drawn_w[back]
