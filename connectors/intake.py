"""Who may report for which meter, and where that belongs: senders against principals, meters against the register."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from connectors.authority import Authority, Grant, Refused
from connectors.decode.readings import Decode, MeterEvent, Proof, Reading
from connectors.source import Delivery
from schemas.errors import Reason, Rejected
from schemas.faults import choose_one_of
from schemas.partition import partition_of
from schemas.quality import Quality
from schemas.register import Device, Register

_TIME_BY_BRIDGE = int(Quality.TIME_BY_BRIDGE)


@dataclass(frozen=True, slots=True)
class Place:
    """A known meter and its partitions."""

    device: Device
    readings_partition: int
    events_partition: int


@dataclass(frozen=True, slots=True)
class Taken:
    """What one payload said, of one meter or several."""

    readings: Sequence[tuple[Place, Reading]]
    events: Sequence[tuple[Place, MeterEvent]]
    proofs: Sequence[Proof] = ()


class Intake:
    """Takes payloads of known meters; what it finds out about a meter it remembers.

    `decoders` has, for each decoder that a delivery may name, its decoder for each profile; "" is the bridge's own.
    """

    def __init__(
        self,
        register: Register,
        decoders: Mapping[str, Mapping[str, Decode]],
        readings_partitions: int,
        events_partitions: int,
        authority: Authority,
    ) -> None:
        self._register = register
        self._decoders = decoders
        self._authority = authority
        self._readings_partitions = readings_partitions
        self._events_partitions = events_partitions
        self._places: dict[str, Place] = {}
        self._given: dict[str, int] = {}

    def take(self, delivery: Delivery, received_at: int) -> Taken:
        """What the payload says, each row with the place of its meter.

        Raises:
            Rejected: unknown_profile; forbidden, unknown_meter, wrong_profile of the address's meter; what the decoder
                finds; forbidden, unknown_meter, wrong_profile of meters that the payload names.

        """
        address = delivery.address
        decode = self._decode(address.profile, delivery.decoder)
        grant = self._authority.grant(delivery.identity)
        if address.meter:
            self._place(address.meter, address.profile, grant, delivery.identity)
        decoded = decode(delivery.payload, address, received_at)

        def place(meter: str) -> Place:
            return self._place(meter, address.profile, grant, delivery.identity)

        places = [place(reading.meter) for reading in decoded.readings]
        return Taken(
            list(zip(places, self._apart(decoded.readings, received_at), strict=True)),
            [(place(event.meter), event) for event in decoded.events],
            decoded.proofs,
        )

    def _apart(self, readings: Sequence[Reading], received_at: int) -> Sequence[Reading]:
        """The readings; those that the bridge timed later than what it timed of their meters before.

        Payloads that arrive in the same millisecond, the telegrams of one POST among them, would else be one reading.
        """
        timed_here = Counter(one.meter for one in readings if one.quality & _TIME_BY_BRIDGE)
        if not timed_here:
            return readings
        later = {meter: max(0, self._given.get(meter, 0) + 1 - received_at) for meter in timed_here}
        for meter, rows in timed_here.items():
            self._given[meter] = received_at + later[meter] + rows - 1
        return [
            replace(one, at=one.at + later[one.meter]) if one.quality & _TIME_BY_BRIDGE else one for one in readings
        ]

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
        place = self._places.get(meter)
        device = None if place else self._register.devices.get(meter)
        if device is not None:
            place = self._places[meter] = Place(
                device,
                partition_of(meter, self._readings_partitions),
                partition_of(device.substation or "", self._events_partitions),
            )
        return place
