"""Blocks as bridges make them of readings that come live: the Packer of connectors.packing, by a simulated clock."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from bench.workload import BEAT_MS, BEGIN_MS, PROFILE, QUANTITIES, STEP_MS, City, Step
from connectors.decode.readings import Reading
from connectors.packing import Packer
from schemas.blocks import Beat
from schemas.codec import encode
from schemas.register import Device

LINGER_MS = 500
LOOK_MS = 50
"""How often a bridge looks for blocks that are due: it waits no longer than this for payloads."""

Sent = tuple[int, bytes]
"""Partition and bytes of a record."""


@dataclass(slots=True)
class Bridges:
    """A number of bridges, each with every so-many-th meter of a city."""

    city: City
    count: int
    devices: list[Device] = field(init=False)
    packers: list[Packer[None]] = field(init=False)

    def __post_init__(self) -> None:
        feeders = [f"feeder-{number % 12 + 1:02d}" for number in range(len(self.city.ids))]
        self.devices = [
            Device(meter, PROFILE, "malmo-1", feeder, None, None, None, STEP_MS)
            for meter, feeder in zip(self.city.ids, feeders, strict=True)
        ]
        columns = {PROFILE: list(QUANTITIES)}
        self.packers = [Packer(self.source(number), LINGER_MS, columns) for number in range(self.count)]

    @staticmethod
    def source(number: int) -> str:
        """A bridge's name."""
        return f"mqtt_malmo_{number}"

    def send(self, step: Step) -> Iterator[Sent]:
        """What all of them send within one step, in the order of time."""
        begin = BEGIN_MS + step.number * STEP_MS
        rows = iter(zip(step.at.tolist(), map(tuple, step.values.tolist()), strict=True))
        looks = np.searchsorted(step.at, np.arange(begin, begin + STEP_MS, LOOK_MS) + LOOK_MS)
        position = 0
        for now, until in zip(range(begin + LOOK_MS, begin + STEP_MS + 1, LOOK_MS), looks.tolist(), strict=True):
            for index in range(position, until):
                at, values = next(rows)
                device = self.devices[index]
                reading = Reading(device.meter_id, at, step.number, 0, values)
                packer = self.packers[index % self.count]
                packer.add_reading(int(self.city.partition[index]), device, reading, now, None)
            position = until
            yield from self._due(now)

    def _due(self, now: int) -> Iterator[Sent]:
        for packer in self.packers:
            for packed in packer.take_due(now):
                yield packed.partition, encode(packed.block)
        if now % BEAT_MS == 0:
            for number in range(self.count):
                beat = encode(Beat(self.source(number), now))
                yield from ((partition, beat) for partition in range(self.city.partitions))
