"""Who may report for which meter, and where that belongs: senders against principals, meters against the register."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from operator import mul

from connectors.age import ANY_AGE, AgeLimit
from connectors.authority import Authority, Grant, Refused
from connectors.decode.readings import Decode, MeterEvent, Proof, Reading
from connectors.source import Delivery
from schemas.errors import Reason, Rejected
from schemas.faults import choose_one_of
from schemas.partition import partition_of
from schemas.quality import Quality
from schemas.register import Device, Register, multipliers

_TIME_BY_BRIDGE = int(Quality.TIME_BY_BRIDGE)
_FARTHEST_APART_MS = 60_000
"""Behind their arrival: 60,000 readings of one meter at once."""


@dataclass(frozen=True, slots=True)
class Place:
    """A known meter, its partitions, and by what it multiplies the quantities of its profile (None = nothing)."""

    device: Device
    readings_partition: int
    events_partition: int
    multipliers: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """What one payload said, of one meter or several; and why not all that it said is here."""

    readings: Sequence[tuple[Place, Reading]]
    events: Sequence[tuple[Place, MeterEvent]]
    proofs: Sequence[Proof] = ()
    left_out: Rejected | None = None


def primary(reading: Reading, multipliers: tuple[float, ...] | None) -> Reading:
    """What a meter behind instrument transformers measured, on the side of the grid.

    Whether a value is plausible was judged before, of what the meter itself said.
    """
    return reading if multipliers is None else replace(reading, values=tuple(map(mul, reading.values, multipliers)))


class Intake:
    """Takes payloads of known meters. The register may change at any time; what follows from it is remembered.

    `decoders` has, for each decoder that a delivery may name, its decoder for each profile; "" is the bridge's own.
    """

    def __init__(
        self,
        register: Register,
        decoders: Mapping[str, Mapping[str, Decode]],
        readings_partitions: int,
        events_partitions: int,
        authority: Authority,
        age_limit: AgeLimit = ANY_AGE,
    ) -> None:
        self._register = register
        self._decoders = decoders
        self._authority = authority
        self._age_limit = age_limit
        self._readings_partitions = readings_partitions
        self._events_partitions = events_partitions
        self._places: dict[str, Place] = {}
        self._given: dict[str, int] = {}

    def take(self, delivery: Delivery, received_at: int) -> Taken:
        """What the payload says, each row with the place of its meter.

        Raises:
            Rejected: unknown_profile; forbidden, unknown_meter, wrong_profile of the address's meter; what the decoder
                finds; forbidden, unknown_meter (outside its validity, too), wrong_profile of meters that the payload
                names; time where all of it is readings that are too old.

        """
        address = delivery.address
        decode = self._decode(address.profile, delivery.decoder)
        grant = self._authority.grant(delivery.identity)
        if address.meter:
            self._place(address.meter, address.profile, grant, delivery.identity)
        decoded, left_out = self._age_limit.applied(decode(delivery.payload, address, received_at), received_at)
        if left_out is not None and not (decoded.readings or decoded.events):
            raise left_out

        def place(row: Reading | MeterEvent) -> Place:
            found = self._place(row.meter, address.profile, grant, delivery.identity)
            _check_validity(found.device, row.at)
            return found

        places = [place(reading) for reading in decoded.readings]
        readings = self._apart(decoded.readings, received_at)
        return Taken(
            [(place, primary(reading, place.multipliers)) for place, reading in zip(places, readings, strict=True)],
            [(place(event), event) for event in decoded.events],
            decoded.proofs,
            left_out,
        )

    def _apart(self, readings: Sequence[Reading], received_at: int) -> Sequence[Reading]:
        """The readings; those that the bridge timed later than what it timed of their meters before.

        Entries of one payload that have no time, and payloads that arrive in the same millisecond, the telegrams of one
        POST among them, would else be one reading.
        """
        timed = [one.meter for one in readings if one.quality & _TIME_BY_BRIDGE]
        if not timed:
            return readings
        timed_here = Counter(timed)
        later = {meter: self._later(meter, received_at) for meter in timed_here}
        for meter, rows in timed_here.items():
            self._given[meter] = received_at + later[meter] + rows - 1
        at_once: Counter[tuple[str, int]] = Counter()
        apart = []
        for one in readings:
            if one.quality & _TIME_BY_BRIDGE:
                alike = one.meter, one.at
                apart.append(replace(one, at=one.at + later[one.meter] + at_once[alike]))
                at_once[alike] += 1
            else:
                apart.append(one)
        return apart

    def _later(self, meter: str, received_at: int) -> int:
        """By how much the next reading of the meter is put behind its arrival, in ms."""
        later = self._given.get(meter, 0) + 1 - received_at
        return later if 0 < later <= _FARTHEST_APART_MS else 0  # farther: the clock was set back

    def _decode(self, profile: str, decoder: str) -> Decode:
        decoders = self._decoders[decoder]
        decode = decoders.get(profile)
        if decode is None:
            remedy = choose_one_of(profile, decoders)
            raise Rejected(Reason.UNKNOWN_PROFILE, f"nothing here decodes profile {profile!r}; {remedy}")
        return decode

    def _place(self, meter: str, profile: str, grant: Grant, identity: str) -> Place:
        if not grant.covers(meter):
            raise Refused(identity, meter)
        place = self.registered(meter)
        if place is None:
            raise Rejected(Reason.UNKNOWN_METER, f"meter {meter!r} is not in the register")
        if place.device.profile != profile:
            detail = f"{meter} is a {place.device.profile} in the register, not a {profile}"
            raise Rejected(Reason.WRONG_PROFILE, detail)
        return place

    def registered(self, meter: str) -> Place | None:
        """The meter's place; None if it is not in the register."""
        device = self._register.devices.get(meter)
        if device is None:
            self._places.pop(meter, None)
            return None
        place = self._places.get(meter)
        if place is None or place.device is not device:
            place = self._places[meter] = Place(
                device,
                partition_of(meter, self._readings_partitions),
                partition_of(device.substation or "", self._events_partitions),
                multipliers(device),
            )
        return place


def _check_validity(device: Device, at: int) -> None:
    """Raise Rejected for what a meter says of a time at which it did not hang there."""
    if not device.is_valid_at(at):
        bounds = (("from", device.valid_from), ("to", device.valid_to))
        valid = " ".join(f"{word} {_iso(bound)}" for word, bound in bounds if bound is not None)
        raise Rejected(Reason.UNKNOWN_METER, f"meter {device.meter_id!r} is registered {valid}, not at {_iso(at)}")


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat()
