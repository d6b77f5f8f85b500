"""Logs in which faults happen, for the operators that learn a meter for a week before they say anything of one."""

import random
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from schemas.durations import HOUR_MS
from streams.contract import Operator
from streams.registry import OPERATORS
from streams.shard import Shard
from streams.snapshot import freeze, thaw
from tests.streams_log import BEGIN, Input, Row, beats, block, feed, hourly_loads, shard

LEARNING_HOURS = 240
METERS = [f"meter-{i}" for i in range(5)]
_ON_THE_WAY_MS = 180_000
"""At least so long are rows on their way, before the random part."""
KINDS = {
    "meter_fault": {
        "stuck_register",
        "phase_loss",
        "reversed_phase",
        "dead_sensor",
        "scale_change",
        "sudden_drop",
        "clock",
    },
    "neighbours": {"tamper_pattern", "pv_silent"},
}
"""What happens after BEGIN, by operator."""


def begun(operator: Operator) -> Shard:
    """A shard with this operator, which has learned its meters where it must."""
    now = shard({operator.name: operator})
    if operator.name in KINDS:
        thaw(_taught(operator.name), now)
        now.next_offset = 0
        now.begin()
    return now


def with_fault(row: Row) -> Row:
    """A household's row of after BEGIN, an hour a step, as its meter shows it.

    The meters 0 to 4: a phase is reversed; one is lost, and later the register stands still; a wrong multiplier; a part
    of the load passes by; a voltage stays the same, then the clock falls back.
    """
    meter, hour = METERS.index(row.meter), (row.at - BEGIN) // HOUR_MS
    _, exported, *powers = row.values[:5]
    volts = [round(229 + (37 * (hour + 13 * i + meter) % 101) / 50, 2) for i in range(3)]
    register = 10_000.0 + 997 * (min(hour, 60) + max(hour - 70, 0) if meter == 1 else hour)
    if meter == 0 and 55 <= hour < 80:
        powers[0] *= -1
    if meter == 1 and 10 <= hour < 20:
        volts[1] = 0.0
    if meter in {2, 3} and hour >= 20:
        powers = [round(10 * power if meter == 2 else max(power - 1_000, 0.0), 1) for power in powers]
    if meter == 4 and 40 <= hour < 70:
        volts[2] = 230.5
    at = row.at - _ON_THE_WAY_MS - 9 * HOUR_MS * (meter == 4 and hour >= 90)
    return replace(row, at=at, values=(register, exported, *powers, *volts))


def hours(step: int) -> list[tuple[str, int, float]]:
    """An hour of seven homes with roofs under one sun.

    One draws less from the first hour on, the roof of one falls silent on the fifth day, another is late.
    """
    rng = random.Random(step)
    sun = max(0.0, 1 - abs(step % 24 - 12) / 5)
    found = []
    for i in range(7):
        given = 0.0 if i == 1 and step >= 96 else 3_000 * sun
        start = BEGIN + (step - (i == 2 and step % 5 == 0)) * HOUR_MS
        found.append((f"roof-{i}", start, rng.randint(300, 600) * (0.3 if i == 3 and step >= 0 else 1) - given))
    return found


@lru_cache
def _taught(name: str) -> bytes:
    now = shard({name: OPERATORS[name]})
    log = _households() if name == "meter_fault" else [hourly_loads(hours(step)) for step in range(-LEARNING_HOURS, 0)]
    assert not [result for result in feed(now, [*log, *beats(BEGIN - HOUR_MS, 2)]) if hasattr(result, "severity")]
    return freeze(now)


def _households() -> Sequence[Input]:
    """A week and more of meters in order."""
    rng = random.Random(0)
    blocks = []
    for hour in range(-LEARNING_HOURS, 0):
        at = BEGIN + hour * HOUR_MS
        powers = [[rng.randint(0, 30_000) / 10 for _ in range(3)] for _ in METERS]
        rows = [
            with_fault(Row(meter, at, at, (0.0, 0.0, *power, 0.0, 0.0, 0.0), interval_ms=HOUR_MS))
            for meter, power in zip(METERS, powers, strict=True)
        ]
        blocks.append(block(rows))
    return blocks
