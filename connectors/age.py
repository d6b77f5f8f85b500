"""How old what a meter says may be when it arrives: a clock that was reset to its epoch must not move hours of 2001.

    a reading older than `oldest_days` of its bridge    left out; its payload goes to the dead letters, as `time`
    an event older than that                            taken as of its arrival, Quality.TIME_BY_BRIDGE

A reading is worth nothing without its time, and can be re-driven where the bound was wrong. What else its payload says,
of other meters perhaps, is taken. An event is news whenever it comes: a meter that tells of its power's return by a
clock that the outage has reset does have power again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from connectors.decode.readings import Decoded, MeterEvent, Reading
from connectors.options import OLDEST_DAYS, bridge_fault
from schemas.durations import DAY_MS
from schemas.errors import Reason, Rejected
from schemas.quality import Quality
from schemas.topology import Bridge

_TIME_BY_BRIDGE = int(Quality.TIME_BY_BRIDGE)


@dataclass(frozen=True, slots=True)
class AgeLimit:
    """What is more than so many days older than its arrival is too old; 0 = nothing is."""

    days: int = 0

    def is_exceeded(self, at: int, received_at: int) -> bool:
        """Both ms UTC.

        >>> [AgeLimit(400).is_exceeded(at, 400 * DAY_MS) for at in (0, -1)], AgeLimit().is_exceeded(0, 2**62)
        ([False, True], False)
        """
        return self.days > 0 and at < received_at - self.days * DAY_MS

    def applied(self, decoded: Decoded, received_at: int) -> tuple[Decoded, Rejected | None]:
        """What is left of a payload that arrived then, and what is to be told of the readings that were left out.

        What their telegrams have proven is left out with them, so that they are no repeats when they are re-driven.
        """
        rows: tuple[Reading | MeterEvent, ...] = (*decoded.readings, *decoded.events)
        if not any(self.is_exceeded(row.at, received_at) for row in rows):
            return decoded, None
        too_old = [one for one in decoded.readings if self.is_exceeded(one.at, received_at)]
        proven = {one.proof for one in too_old}
        left = Decoded(
            tuple(one for one in decoded.readings if not self.is_exceeded(one.at, received_at)),
            tuple(self._dated(event, received_at) for event in decoded.events),
            tuple(proof for proof in decoded.proofs if proof not in proven),
        )
        return left, self._rejected(too_old) if too_old else None

    def _dated(self, event: MeterEvent, received_at: int) -> MeterEvent:
        if not self.is_exceeded(event.at, received_at):
            return event
        return replace(event, at=received_at, quality=event.quality | _TIME_BY_BRIDGE)

    def _rejected(self, too_old: Sequence[Reading]) -> Rejected:
        first = too_old[0]
        at = datetime.fromtimestamp(first.at / 1000, UTC).isoformat()
        more = f", and {len(too_old) - 1} more" if len(too_old) > 1 else ""
        return Rejected(Reason.TIME, f"{first.meter} at {at}{more}: more than {self.days} days before they came")


ANY_AGE = AgeLimit()


def age_limit(bridge: Bridge) -> AgeLimit:
    """As its options say; without the option, any age will do. Raises Faults."""
    days = bridge.options.get(OLDEST_DAYS, "") or "0"
    if not (days.isascii() and days.isdigit() and len(days) <= 6):
        remedy = "write how many days old a reading may be: 400; 0 = any age"
        raise bridge_fault(bridge, f"{OLDEST_DAYS} is {days!r}", remedy)
    return AgeLimit(int(days))
