"""The life of an outage.

    state               signal      next
    provisional         located     located
    provisional         moved       provisional
    provisional         part_back   partly_restored
    provisional         all_back    closed
    provisional         merged      closed
    located             moved       located
    located             lasted      sustained
    located             part_back   partly_restored
    located             all_back    closed
    located             merged      closed
    sustained           moved       sustained
    sustained           part_back   partly_restored
    sustained           all_back    closed
    sustained           merged      closed
    partly_restored     moved       partly_restored
    partly_restored     all_back    closed
    partly_restored     merged      closed

A signal that the table does not have for a state changes nothing. Every line that is taken is a new version of the
outage's alert. The code reads the table; a test holds this page and TABLE equal.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from streams.outage.assumptions import Assumptions
from streams.outage.ranking import Finding


class Phase(StrEnum):
    """Where an outage is in its life."""

    PROVISIONAL = "provisional"
    LOCATED = "located"
    SUSTAINED = "sustained"
    PARTLY_RESTORED = "partly_restored"
    CLOSED = "closed"


class Signal(StrEnum):
    """What the evidence says to it."""

    LOCATED = "located"
    """Sure enough which device, for how long it has been known."""
    MOVED = "moved"
    """Another device is likelier, or other branches are dark."""
    LASTED = "lasted"
    """Dark for longer than a momentary interruption."""
    PART_BACK = "part_back"
    """The device is closed again, some branches below it are dark."""
    ALL_BACK = "all_back"
    """Nothing of it is dark any more, or never was."""
    MERGED = "merged"
    """It is part of another outage."""


class Ending(StrEnum):
    """Why an outage was closed."""

    OPEN = ""
    MOMENTARY = "momentary"
    RESTORED = "restored"
    WITHDRAWN = "withdrawn"
    """The evidence turned against it: there was none."""
    MERGED = "merged"


P, L, S, R, C = Phase.PROVISIONAL, Phase.LOCATED, Phase.SUSTAINED, Phase.PARTLY_RESTORED, Phase.CLOSED
TABLE: Mapping[tuple[Phase, Signal], Phase] = {
    (P, Signal.LOCATED): L,
    (P, Signal.MOVED): P,
    (P, Signal.PART_BACK): R,
    (P, Signal.ALL_BACK): C,
    (P, Signal.MERGED): C,
    (L, Signal.MOVED): L,
    (L, Signal.LASTED): S,
    (L, Signal.PART_BACK): R,
    (L, Signal.ALL_BACK): C,
    (L, Signal.MERGED): C,
    (S, Signal.MOVED): S,
    (S, Signal.PART_BACK): R,
    (S, Signal.ALL_BACK): C,
    (S, Signal.MERGED): C,
    (R, Signal.MOVED): R,
    (R, Signal.ALL_BACK): C,
    (R, Signal.MERGED): C,
}

SOONEST_MS = 5_000
"""Never called located before: a neighbour's last gasp may be on its way."""
SURE, LIKELIER_THAN_NOT = 0.95, 0.5
WAITS_MS, LONGEST_WAIT_MS = 180_000, 600_000
"""Located is what one is sure of; from the first age on, once every meter concerned should have reported again, what is
likelier than not; from the second on the likeliest, however unlikely: what is not known by then will hardly be."""


@dataclass
class Outage:
    """One outage; branches are the grid's, times ms UTC.

    It is attached to a burst, and weighed together with the root's other ones, until the burst is settled. If it was
    closed by then, it is accounted for and forgotten; if not, it is settled, too: followed by itself, from `top` down,
    and accounted for as soon as it is closed.
    """

    number: int
    root: int
    slot: int
    """Of its burst among the root's; -1 once it is settled."""
    burst_ms: int
    branch: int
    start_ms: int
    raised_ms: int
    phase: str = Phase.PROVISIONAL
    version: int = 1
    confidence: float = 0.0
    happened: float = 0.0
    still: float = 0.0
    ranked: list[tuple[int, float]] = field(default_factory=list)
    dark: list[int] = field(default_factory=list)
    ending: str = Ending.OPEN
    end_ms: int = 0
    calm_ms: int = 0
    """Since when nothing of it seems dark; 0 = something does."""
    top: int = -1
    """The branch that it was settled at, over all that may belong to it; -1 before."""
    parted_ms: int = 0
    """Since when its device seems closed and something below it dark; 0 = it does not."""
    awaits_ms: int = 0
    """When the meters that may be concerned should all have reported since the burst, or since it seems over, if they
    have supply."""
    followed_ms: int = 0
    """When it was last looked at by itself."""

    def saved(self) -> dict[str, Any]:
        """The fields, as plain values."""
        return asdict(self)

    @property
    def is_settled(self) -> bool:
        """Whether it is followed by itself. It is open then."""
        return self.slot < 0

    @property
    def closed(self) -> bool:
        """Whether its life is over."""
        return self.phase == Phase.CLOSED


def signals(outage: Outage, finding: Finding, now_ms: int, assumed: Assumptions) -> Iterator[Signal]:
    """What a turn's finding says to an outage, in the order in which it is to be heard."""
    age_ms = now_ms - outage.start_ms
    if is_calm(outage, finding.still, now_ms, assumed):
        yield Signal.ALL_BACK
    if finding.still < assumed.gone:
        outage.parted_ms = 0
        return
    if finding.confidence >= _needed(outage, now_ms):
        yield Signal.LOCATED
    if age_ms > assumed.sustained_ms and finding.still >= assumed.customers_dark and finding.branch in finding.dark:
        yield Signal.LASTED
    if _is_parted(outage, finding, now_ms, assumed):
        yield Signal.PART_BACK
    if finding.branch != outage.branch or (outage.phase == R and list(finding.dark) != outage.dark and finding.dark):
        yield Signal.MOVED


def is_calm(outage: Outage, still: float, now_ms: int, assumed: Assumptions) -> bool:
    """Whether nothing of it has seemed dark for long enough; keeps count of it in the outage."""
    if still >= assumed.gone:
        outage.calm_ms = 0
        return False
    outage.calm_ms = outage.calm_ms or now_ms
    calm_ms = now_ms - outage.calm_ms
    if outage.phase not in (S, R):
        return calm_ms >= assumed.calm_ms
    sure = still < assumed.surely_gone or now_ms > outage.awaits_ms or calm_ms > LONGEST_WAIT_MS
    return sure and calm_ms >= assumed.calm_sustained_ms


def _is_parted(outage: Outage, finding: Finding, now_ms: int, assumed: Assumptions) -> bool:
    """Whether the device has seemed closed, and something below it dark, for long enough; keeps count of it."""
    parted = finding.dark and finding.branch not in finding.dark and finding.confidence >= assumed.customers_dark
    outage.parted_ms = (outage.parted_ms or now_ms) if parted else 0
    return bool(parted) and now_ms - outage.parted_ms >= assumed.calm_ms


def _needed(outage: Outage, now_ms: int) -> float:
    """How sure one must be of the device to call it located."""
    age_ms, told_ms = now_ms - outage.start_ms, now_ms - outage.raised_ms
    if age_ms > LONGEST_WAIT_MS:
        return 0.0
    if age_ms > WAITS_MS and now_ms > outage.awaits_ms:
        return LIKELIER_THAN_NOT
    return SURE if told_ms >= SOONEST_MS else 1.01


def hear(outage: Outage, signal: Signal) -> bool:
    """Follow the table; whether it has a line for this."""
    following = TABLE.get((Phase(outage.phase), signal))
    if following is None:
        return False
    outage.phase = following
    return True
