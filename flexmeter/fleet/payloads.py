"""A reading or an event as the bytes a device sends: the JSON of the Malmö pilot's three kinds of meters.

The layouts are those of `connectors/decode/mappings/*.yaml`, which reads them.
"""

from datetime import UTC, datetime
from math import floor
from typing import Any

import orjson

from flexmeter.fleet.world import Moment, World

PHASES = ("L1", "L2", "L3")


def iso_time(at: int) -> str:
    """Event time as devices write it.

    >>> iso_time(1_736_121_600_007)
    '2025-01-06T00:00:00.007Z'
    """
    text = datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def household(
    time: str, seq: int, import_wh: int, export_wh: int, power_w: list[float], voltage_v: list[float | None]
) -> bytes:
    """An E350's reading; a phase that is not connected has no voltage.

    >>> household("2025-01-06T00:00:00.000Z", 1, 1500, 0, [1.5, 0.0, 0.0], [230.0, None, 229.5])[35:85]
    b'"seq":1,"energy":{"consumed":1.5,"produced":0.0},"'
    """
    document = {
        "time": time,
        "seq": seq,
        "energy": {"consumed": import_wh / 1000, "produced": export_wh / 1000},
        "power": dict(zip(PHASES, power_w, strict=True)),
        "voltage": dict(zip(PHASES, voltage_v, strict=True)),
        "alarms": [],
    }
    return orjson.dumps(document)


def event(at: int, kind: str, detail: str = "") -> bytes:
    """An event of a meter.

    >>> event(1_736_121_600_007, "last_gasp")
    b'{"time":"2025-01-06T00:00:00.007Z","event":"last_gasp","detail":""}'
    """
    return orjson.dumps({"time": iso_time(at), "event": kind, "detail": detail})


def household_of(world: World, moment: Moment, home: int, seq: int) -> bytes:
    """What one home's meter sends at this moment."""
    connected = world.homes.connected[home]
    return household(
        iso_time(moment.at),
        seq,
        floor(moment.import_wh[home]),
        floor(moment.export_wh[home]),
        [round(float(w), 1) for w in moment.power_w[home]],
        [round(float(v), 2) if c else None for v, c in zip(moment.voltage_v[home], connected, strict=True)],
    )


def household_values(world: World, moment: Moment, home: int) -> dict[str, float | None]:
    """The same by the catalogue's names, in its units; None for the voltage of a phase that is not connected."""
    phases = [phase.lower() for phase in PHASES]
    watts, volts, connected = moment.power_w[home], moment.voltage_v[home], world.homes.connected[home]
    return {
        "active_energy_import_wh": floor(moment.import_wh[home]),
        "active_energy_export_wh": floor(moment.export_wh[home]),
        **{f"active_power_{phase}_w": round(float(w), 1) for phase, w in zip(phases, watts, strict=True)},
        **{
            f"voltage_{phase}_v": round(float(v), 2) if c else None
            for phase, v, c in zip(phases, volts, connected, strict=True)
        },
    }


def station_of(moment: Moment, station: int, seq: int) -> bytes:
    """What one substation's meter sends at this moment."""
    watts, vars_, volts = moment.station_w[station], moment.station_var[station], moment.station_v[station]
    apparent = (watts**2 + vars_**2) ** 0.5
    total_w, imported, exported = (
        float(watts.sum()),
        moment.station_import_wh[station],
        moment.station_export_wh[station],
    )

    def by_phase(values: Any, digits: int) -> dict[str, float]:
        return {phase: round(float(v), digits) for phase, v in zip(PHASES, values, strict=True)}

    document = {
        "time": iso_time(moment.at),
        "seq": seq,
        "active_power": {"forward": round(max(total_w, 0) / 1000, 4), "reverse": round(max(-total_w, 0) / 1000, 4)},
        "active_energy": {
            "forward": floor(imported) / 1000,
            "reverse": floor(exported) / 1000,
            "sum": (floor(imported) + floor(exported)) / 1000,
            "difference": (floor(imported) - floor(exported)) / 1000,
        },
        "reactive_power": {"import": round(float(vars_.sum()) / 1000, 4), "export": 0.0},
        "reactive_energy": {"import": floor(moment.station_import_varh[station]) / 1000, "export": 0.0},
        "voltage": by_phase(volts, 2),
        "current": by_phase(apparent / volts, 3),
        "power_factor": by_phase(watts / apparent.clip(1e-9), 3),
        "sine": by_phase(vars_ / apparent.clip(1e-9), 3),
        "outage": dict.fromkeys(PHASES, 0),
        "frequency": round(moment.frequency_hz, 3),
        "apparent_power": round(float(apparent.sum()), 1),
        "pulses": [floor(imported / 10), floor(exported / 10)],
    }
    return orjson.dumps(document)


def heat_of(moment: Moment, index: int, seq: int) -> bytes:
    """What one heat meter sends at this moment."""
    heat = moment.heat
    document = {
        "time": iso_time(moment.at),
        "seq": seq,
        "temperature": {"forward": float(heat.forward_c[index]), "return": float(heat.return_c[index])},
        "flow": float(heat.flow_m3_per_h[index]),
        "volume": round(float(heat.volume_l[index])),
        "power": {"instant": round(float(heat.power_kw[index]), 3), "peak": round(float(heat.peak_kw[index]), 3)},
        "energy": floor(heat.energy_mwh[index] * 1_000_000) / 1_000_000,
    }
    return orjson.dumps(document)
