"""Live mode, the pure part: what the district sends in each slot of the reporting interval."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from flexmeter.fleet import payloads
from flexmeter.fleet.garbage import make_garbage
from flexmeter.fleet.grid import HEAT, HOME
from flexmeter.fleet.messages import EVENT, GARBAGE, READING, REPEAT, Message, area_of, topic_of
from flexmeter.fleet.outages import Schedule, says, struck_feeder
from flexmeter.fleet.replay import Faults
from flexmeter.fleet.world import Moment, World, step

SLOTS = 20
"""Parts of the interval; device i reports in slot i modulo this."""


@dataclass(slots=True)
class District:
    """A world and where it stands. `begun` is the start, ms UTC; `slot` counts from there."""

    world: World
    areas: list[str]
    begun: int
    interval_ms: int
    outages: Schedule
    faults: Faults
    moment: Moment | None = None
    slot: int = 0
    dark: str | None = None
    outage: int = 0
    garbage: int = 0
    waiting: list[Message] = field(default_factory=list)

    def next_slot(self) -> list[Message]:
        """What is sent in the next slot, in order of `due`; events may be due a few slots later."""
        at = self.begun + self.slot * self.interval_ms // SLOTS
        end = self.begun + (self.slot + 1) * self.interval_ms // SLOTS
        self.waiting += self._change_power(at)
        self.moment = step(self.world, self.moment, at, {self.dark} if self.dark else ())
        self.waiting += self._readings(self.moment)
        self.slot += 1
        due = sorted((m for m in self.waiting if m.due < end), key=lambda m: m.due)
        self.waiting = [m for m in self.waiting if m.due >= end]
        return due

    def _change_power(self, at: int) -> Iterator[Message]:
        """Events of an outage that begins or ends now."""
        number = self.outages.now((at - self.begun) / 1000) if self.world.feeders else None
        feeder = None if number is None else struck_feeder(self.world.feeders, number, self.world.seed)
        if feeder == self.dark:
            return
        kind, concerned = ("last_gasp", feeder) if feeder else ("power_restored", self.dark)
        self.outage = self.outage if number is None else number
        self.dark = feeder
        below = [i for i, d in enumerate(self.world.households) if d.feeder == concerned]
        for due, home in says(below, kind, self.outage, at, self.world.seed):
            topic = topic_of(self.world.households[home], self.areas, "event")
            yield Message(due, home, topic, payloads.event(due, kind), EVENT)

    def _readings(self, moment: Moment) -> Iterator[Message]:
        rng = np.random.default_rng((self.world.seed, 50, self.slot))
        devices = self.world.devices
        for index in range(self.slot % SLOTS, len(devices), SLOTS):
            device = devices[index]
            if device.profile == HOME and not moment.on[index]:
                continue
            payload = self._payload(index, moment)
            message = Message(moment.at, index, topic_of(device, self.areas), payload, READING)
            yield message
            repeated, spoilt = rng.random(2) < (self.faults.duplicates, self.faults.garbage)
            if repeated:
                yield message._replace(kind=REPEAT)
            if spoilt and device.profile == HOME:
                piece = make_garbage(self.garbage + 1, area_of(device, self.areas), device.meter_id, payload)
                self.garbage += 1
                yield Message(moment.at, index, piece.topic, piece.payload, GARBAGE)

    def _payload(self, index: int, moment: Moment) -> bytes:
        world, seq = self.world, self.slot // SLOTS
        profile = world.devices[index].profile
        if profile == HOME:
            return payloads.household_of(world, moment, index, seq)
        if profile == HEAT:
            return payloads.heat_of(moment, index - len(world.households) - len(world.stations), seq)
        return payloads.station_of(moment, index - len(world.households), seq)
