"""The register on Kafka: bridges read it to its end before they begin, and follow it while they run."""

import logging
from types import MappingProxyType

from prometheus_client import Gauge

from connectors.compacted import Compacted
from connectors.kafka import Outlet
from schemas.catalogue import load_catalogue
from schemas.codec import decode, encode
from schemas.errors import Reason, Rejected, Unavailable
from schemas.master_data import Device
from schemas.partition import partition_of
from schemas.register import Register, sharing_words
from schemas.topology import Kafka, Topic

log = logging.getLogger("connectors.register_topic")

EVERY_S = 1.0
METERS = Gauge("flexmeter_register_meters", "Meters that the bridge knows")


class RegisterTopic:
    """The register as Kafka has it. `register` is the same object always, and says what is so now."""

    def __init__(self, kafka: Kafka, topic: Topic) -> None:
        self._devices: dict[str, Device] = {}
        self._topic = Compacted(kafka, topic, self._learn)
        self._name = topic.name
        self._next_s = 0.0
        self.register = Register(MappingProxyType(self._devices))

    def read(self) -> None:
        """Learn everything that the topic holds; raises Unavailable where Kafka is away."""
        self._topic.read()
        self._topic.follow()
        METERS.set(len(self._devices))

    def read_some(self) -> None:
        """The same, for those who cannot begin without: Unavailable as well while no meter is registered."""
        self.read()
        if not self._devices:
            remedy = "`flexmeter register FILE.csv` fills it"
            raise Unavailable("the register", f"no meter is on the topic {self._name} yet: {remedy}")
        log.info("the register has %d meters", len(self._devices))

    def refresh(self, now_s: float) -> bool:
        """Learn what has changed, once a second of a clock that only goes forward; whether something has."""
        if now_s < self._next_s:
            return False
        changed = self._topic.follow()
        self._next_s = now_s if changed else now_s + EVERY_S
        METERS.set(len(self._devices))
        return changed

    def close(self) -> None:
        """Follow no more."""
        self._topic.close()

    def _learn(self, key: bytes, value: bytes | None) -> None:
        """One that cannot be used changes nothing: a bridge goes on with what it knew of that meter."""
        meter = key.decode("utf-8", "replace")
        if value is None:
            self._devices.pop(meter, None)
            return
        try:
            self._devices[meter] = sharing_words(_device(meter, value))
        except Rejected as rejected:
            log.error("%s: the record of %r is passed over: %s", self._name, meter, rejected)


def _device(meter: str, value: bytes) -> Device:
    """The meter, by whomever it was written; raises Rejected."""
    device = decode(value)
    if not isinstance(device, Device) or device.meter_id != meter:
        raise Rejected(Reason.SCHEMA, "it is not about the meter that its key names")
    if device.profile not in load_catalogue().profiles:
        raise Rejected(Reason.UNKNOWN_PROFILE, f"profile {device.profile!r}")
    return device


def publish(outlet: Outlet, topic: Topic, meter: str, device: Device | None) -> None:
    """Put one meter on the topic, or take it off."""
    value = None if device is None else encode(device)
    outlet.produce(topic.name, partition_of(meter, topic.partitions), value, key=meter.encode())
