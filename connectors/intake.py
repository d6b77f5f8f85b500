"""Who may report, and where it belongs: the address against the register."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from connectors.decode.readings import Address, Decode, MeterEvent, Reading
from schemas.errors import Reason, Rejected
from schemas.faults import choose_one_of
from schemas.partition import partition_of
from schemas.register import Device, Register


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


class Intake:
    """Takes payloads of known meters; what it finds out about a meter it remembers."""

    def __init__(
        self,
        register: Register,
        decoders: Mapping[str, Decode],
        readings_partitions: int,
        events_partitions: int,
    ) -> None:
        self._register = register
        self._decoders = decoders
        self._readings_partitions = readings_partitions
        self._events_partitions = events_partitions
        self._places: dict[str, Place] = {}

    def take(self, payload: bytes, address: Address, received_at: int) -> Taken:
        """What the payload says, each row with the place of its meter.

        Raises:
            Rejected: unknown_profile, unknown_meter, wrong_profile in this order, then what the decoder finds, then
                unknown_meter and wrong_profile of meters that the payload names.

        """
        decode = self._decoders.get(address.profile)
        if decode is None:
            remedy = choose_one_of(address.profile, self._decoders)
            raise Rejected(Reason.UNKNOWN_PROFILE, f"nothing here decodes profile {address.profile!r}; {remedy}")
        if address.meter:
            self._place(address.meter, address.profile)
        decoded = decode(payload, address, received_at)
        return Taken(
            [(self._place(reading.meter, address.profile), reading) for reading in decoded.readings],
            [(self._place(event.meter, address.profile), event) for event in decoded.events],
        )

    def _place(self, meter: str, profile: str) -> Place:
        place = self._places.get(meter) or self._find(meter)
        if place.device.profile != profile:
            detail = f"{meter} is a {place.device.profile} in the register, not a {profile}"
            raise Rejected(Reason.WRONG_PROFILE, detail)
        return place

    def _find(self, meter: str) -> Place:
        device = self._register.devices.get(meter)
        if device is None:
            raise Rejected(Reason.UNKNOWN_METER, f"meter {meter!r} is not in the register")
        place = Place(
            device,
            partition_of(meter, self._readings_partitions),
            partition_of(device.substation or "", self._events_partitions),
        )
        self._places[meter] = place
        return place
