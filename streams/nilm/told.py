"""What is told of a home's loads, and how each revision of it is made."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from streams.nilm import energy
from streams.nilm.energy import Window
from streams.nilm.home import Home, Load
from streams.nilm.library import UNKNOWN


@dataclass(frozen=True, slots=True)
class Fact:
    """What is told about one load or cycle of a home."""

    number: int
    revision: int
    state: str
    appliance: int
    at: int
    start: int
    end: int
    power_w: float
    energy_ws: float
    confidence: float


@dataclass(slots=True)
class Told:
    """What rows of one home gave."""

    facts: list[Fact] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)


def tell(home: Home, told: Told, load: Load, state: str, at: int) -> None:
    """What is, or was told as, an appliance is told; of what is unknown, that which comes again and again.

    Its energy stays in the remainder; whoever lives there may label it by its number.
    """
    if load.appliance == UNKNOWN and not recurs(home, load):
        if load.revision < 0:
            return
        state = "withdrawn"
    load.revision += 1
    end = 0 if state == "on" or (state == "withdrawn" and load in home.loads) else home.before_at
    told.facts.append(
        Fact(
            load.number,
            load.revision,
            state,
            load.appliance,
            at,
            load.start,
            end,
            load.drawn_w if not end else load.power_w,
            load.energy_ws,
            load.confidence,
        )
    )


def recurs(home: Home, load: Load) -> bool:
    """Whether the home has often had loads of its power."""
    return load.cluster >= 0 and float(home.clusters.counts[load.cluster].sum()) > home.weights.recurs


def relabel(home: Home, told: Told, load: Load, appliance: int) -> None:
    """Its energy so far goes with it."""
    if appliance != load.appliance:
        begin = load.start - int(home.interval_s * 1_000)  # a reading stands for the stretch before it
        told.windows += energy.move(
            home.quarters, load.appliance, appliance, begin, home.before_at, load.power_w, home.feeds_in
        )
        load.appliance = appliance


def count_energy(load: Load, until: int) -> None:
    """The load's own energy, at what it draws now."""
    load.energy_ws += load.drawn_w * max(until - load.since, 0) / 1_000
    load.since = max(until, load.since)


def level(home: Home) -> Iterator[tuple[int, float]]:
    """What each load of a known appliance draws, W."""
    return ((load.appliance, load.drawn_w) for load in home.loads if load.appliance != UNKNOWN)
