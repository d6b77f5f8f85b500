"""What `nilm` found in a turn, as blocks."""

from collections.abc import Mapping, Sequence

import numpy as np

from schemas.results import ApplianceEnergyBlock, ApplianceEventBlock
from streams.contract import MOST_ROWS, Meters, Result
from streams.nilm.energy import STEPS_PER_WH, Window
from streams.nilm.library import UNKNOWN, Library
from streams.nilm.told import Fact, Told

REMAINDER = "remainder"
"""What the column of the unknown is called in the energies: mains less all appliances."""


def blocks(told: Mapping[int, Told], meters: Meters, library: Library, version: int) -> list[Result]:
    """All facts and windows, at most MOST_ROWS in a block."""
    facts = [(meter, fact) for meter in sorted(told) for fact in told[meter].facts]
    energies = [
        (meter, window, column)
        for meter in sorted(told)
        for window in told[meter].windows
        for column in range(len(library.appliances))
        if column == UNKNOWN or window.said >> column & 1
    ]
    return [
        *(_events(facts[i : i + MOST_ROWS], meters, library, version) for i in range(0, len(facts), MOST_ROWS)),
        *(_energies(energies[i : i + MOST_ROWS], meters, library, version) for i in range(0, len(energies), MOST_ROWS)),
    ]


def _events(rows: Sequence[tuple[int, Fact]], meters: Meters, library: Library, version: int) -> ApplianceEventBlock:
    distinct, row_meter = np.unique([meter for meter, _ in rows], return_inverse=True)
    facts = [fact for _, fact in rows]
    return ApplianceEventBlock(
        operator_version=version,
        meters=[meters.ids[i] for i in distinct],
        row_meter=row_meter.astype(np.int32),
        number=np.array([fact.number for fact in facts], np.int64),
        revision=np.array([fact.revision for fact in facts], np.int32),
        state=[fact.state for fact in facts],
        appliance=[library.appliances[fact.appliance] for fact in facts],
        decided_at=np.array([fact.at for fact in facts], np.int64),
        start=np.array([fact.start for fact in facts], np.int64),
        end=np.array([fact.end for fact in facts], np.int64),
        power_w=np.array([fact.power_w for fact in facts], np.float64),
        energy_wh=np.array([fact.energy_ws / 3_600 for fact in facts], np.float64),
        confidence=np.array([fact.confidence for fact in facts], np.float64),
    )


def _energies(
    rows: Sequence[tuple[int, Window, int]], meters: Meters, library: Library, version: int
) -> ApplianceEnergyBlock:
    distinct, row_meter = np.unique([meter for meter, _, _ in rows], return_inverse=True)
    kinds = sorted({window.kind for _, window, _ in rows})
    windows = [window for _, window, _ in rows]
    return ApplianceEnergyBlock(
        operator_version=version,
        meters=[meters.ids[i] for i in distinct],
        appliances=[REMAINDER, *library.appliances[1:]],
        windows=kinds,
        row_meter=row_meter.astype(np.int32),
        row_appliance=np.array([column for _, _, column in rows], np.int32),
        row_window=np.array([kinds.index(window.kind) for window in windows], np.int32),
        start=np.array([window.start for window in windows], np.int64),
        end=np.array([window.end for window in windows], np.int64),
        revision=np.array([window.revision for window in windows], np.int32),
        energy_wh=np.array([window.energy[column] / STEPS_PER_WH for _, window, column in rows], np.float64),
        covered_ms=np.array([window.covered_ms for window in windows], np.int64),
    )
