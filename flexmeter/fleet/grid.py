"""Who hangs where: substations, feeders, buildings, meters with ids like real serial numbers."""

import csv
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from schemas.register import COLUMNS, Device

SUBSTATIONS = ("malmo-north", "malmo-south")
FEEDERS_PER_SUBSTATION = 4
MAX_HOMES_PER_FEEDER = 60
FLATS_ON_ONE_PHASE = 0.2
MAX_HOMES_PER_BUILDING = 8
CONSENTS_ONE_OF = 3
CONSENT_AT = 1_704_067_200_000
"""Every third home has consented to nilm since 2024-01-01."""

HOME, STATION, HEAT = "malmo_household", "malmo_substation", "district_heat"


def household_id(index: int) -> str:
    """FLAG manufacturer id, type and serial number, as on the plate of an E350.

    >>> household_id(0), household_id(99)
    ('LGZ1030655933000', 'LGZ1030655933099')
    """
    return f"LGZ{1030655933000 + index}"


def usage_point_id(index: int) -> str:
    """A Swedish metering point: GS1 GSRN of 18 digits, the last one its check digit (GS1 General Specifications 7.9).

    >>> usage_point_id(0)
    '735999100000000003'
    """
    digits = f"735999{10_000_000_000 + index:011d}"
    total = sum(int(d) * (3 if i % 2 == 0 else 1) for i, d in enumerate(digits))
    return f"{digits}{-total % 10}"


def build_grid(homes: int, heat: int, seed: int, interval_ms: int = 10_000, stations: bool = True) -> list[Device]:
    """The devices of a district: `homes` household meters, one meter a substation, `heat` thermal substations.

    Homes are dealt to the feeders in turn and fill buildings of 1 to 8 homes; some are flats on one phase.

    >>> [d.meter_id for d in build_grid(1, 1, seed=1)]
    ['LGZ1030655933000', 'NES0020417001', 'NES0020417002', 'KAM0067890000']
    """
    rng = np.random.default_rng((seed, 1))
    devices = _households(homes, rng, interval_ms)
    if stations:
        devices += [
            Device(f"NES{20417001 + i:010d}", STATION, name, None, "L1L2L3", None, None, interval_ms)
            for i, name in enumerate(SUBSTATIONS)
        ]
    buildings = sorted({d.building for d in devices if d.building}) or ["building-heat"]
    devices += [
        Device(
            f"KAM{67890000 + i:010d}",
            HEAT,
            SUBSTATIONS[i % len(SUBSTATIONS)],
            None,
            None,
            buildings[i * len(buildings) // max(heat, 1) % len(buildings)],
            None,
            interval_ms,
        )
        for i in range(heat)
    ]
    return devices


def _households(homes: int, rng: np.random.Generator, interval_ms: int) -> list[Device]:
    each = max(FEEDERS_PER_SUBSTATION, -(-homes // (len(SUBSTATIONS) * MAX_HOMES_PER_FEEDER)))
    feeders = [(s, f"{s}-f{n + 1}") for n in range(each) for s in SUBSTATIONS]
    room = dict.fromkeys(range(len(feeders)), 0)
    building: dict[int, str] = {}
    count = 0
    devices = []
    for i in range(homes):
        at = i % len(feeders)
        if room[at] == 0:
            count += 1
            room[at] = int(rng.integers(1, MAX_HOMES_PER_BUILDING + 1))
            building[at] = f"building-{count:03d}"
        room[at] -= 1
        one_phase = rng.random() < FLATS_ON_ONE_PHASE
        phase = f"L{rng.integers(1, 4)}" if one_phase else "L1L2L3"
        substation, feeder = feeders[at]
        place = (substation, feeder, phase, building[at], usage_point_id(i))
        consent_at = CONSENT_AT if i % CONSENTS_ONE_OF == 0 else None
        devices.append(Device(household_id(i), HOME, *place, interval_ms, nilm_consent_at=consent_at))
    return devices


def write_register(devices: Iterable[Device], path: Path) -> None:
    """Write the register as a file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    with fresh.open("w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(COLUMNS)
        for d in devices:
            place = (d.substation, d.feeder, d.phase, d.building, d.usage_point)
            way = (d.transformer, d.comm_parent)
            swap = (_iso(d.valid_from), _iso(d.valid_to))
            row = (
                d.meter_id, d.profile, *place, f"{d.interval_ms / 1000:g}", *way, _iso(d.nilm_consent_at), d.time_zone,
                *(f"{ratio:g}" for ratio in (d.ct_ratio, d.vt_ratio)), *swap, d.key, d.owner,
            )  # fmt: skip
            out.writerow(row)
    fresh.replace(path)


def _iso(at: int | None) -> str:
    return "" if at is None else datetime.fromtimestamp(at / 1000, UTC).isoformat()
