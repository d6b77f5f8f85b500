"""Live mode, the pure part: what the district sends in each slot of the reporting interval."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

import numpy as np

from flexmeter.fleet import payloads
from flexmeter.fleet.faulty import FaultyMeter
from flexmeter.fleet.garbage import make_garbage
from flexmeter.fleet.grid import HEAT, HOME
from flexmeter.fleet.messages import EVENT, GARBAGE, READING, REPEAT, Message, area_of, direct_topic, topic_of
from flexmeter.fleet.outages import Schedule, says, struck_feeder
from flexmeter.fleet.replay import Faults
from flexmeter.fleet.speak import senml
from flexmeter.fleet.world import Moment, World, between, step
from schemas.durations import DAY_MS

SLOTS = 20
"""Parts of the interval; device i reports in slot i modulo this."""
DIRECT_EVERY = 20
"""One home in so many speaks CoAP itself, where there is a bridge for that."""
HISTORY_MS = 900_000
"""From one reading of a history to the next."""


@dataclass(slots=True)
class District:
    """A world and where it stands. `begun` is the start, ms UTC; `slot` counts from there.

    The homes in `direct`, by their numbers, speak CoAP themselves: readings in SenML, nothing repeated or spoilt. One
    meter, of another home, may be faulty.
    """

    world: World
    areas: list[str]
    begun: int
    interval_ms: int
    outages: Schedule
    faults: Faults
    faulty: FaultyMeter | None = None
    direct: Collection[int] = ()
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

    def go_on(self, moment: Moment, by_faulty: Moment | None) -> None:
        """Count on from what a fleet before this one showed last; the homes went on taking what they take."""
        self.moment = moment
        if self.faulty is not None:
            self.faulty.before = by_faulty
        for at in between(moment.at, self.begun):
            self.moment = step(self.world, self.moment, at)
            if self.faulty is not None:
                self.faulty.show(self.world, self.moment)

    def history(self, days: int) -> Iterator[Message]:
        """What the faulty meter measured in the days before the start, as a gateway delivers it that was away."""
        if self.faulty is None:
            return
        index, device = self.faulty.home, self.world.households[self.faulty.home]
        for seq, at in enumerate(range(self.begun - days * DAY_MS, self.begun, HISTORY_MS)):
            self.moment = step(self.world, self.moment, at)
            payload = self._payload(index, self.moment, seq)
            yield Message(self.begun, index, topic_of(device, self.areas), payload, READING)

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
            device, payload = self.world.households[home], payloads.event(due, kind)
            if home in self.direct:
                yield Message(due, home, direct_topic(device, "event"), payload, EVENT, "coap", sender=device.meter_id)
            else:
                yield Message(due, home, topic_of(device, self.areas, "event"), payload, EVENT)

    def _readings(self, moment: Moment) -> Iterator[Message]:
        rng = np.random.default_rng((self.world.seed, 50, self.slot))
        devices = self.world.devices
        for index in range(self.slot % SLOTS, len(devices), SLOTS):
            device = devices[index]
            if device.profile == HOME and not moment.on[index]:
                continue
            if index in self.direct:
                yield self._direct(index, moment)
                continue
            payload = self._payload(index, moment, self.slot // SLOTS)
            message = Message(moment.at, index, topic_of(device, self.areas), payload, READING)
            yield message
            repeated, spoilt = rng.random(2) < (self.faults.duplicates, self.faults.garbage)
            if repeated:
                yield message._replace(kind=REPEAT)
            if spoilt and device.profile == HOME:
                piece = make_garbage(self.garbage + 1, area_of(device, self.areas), device.meter_id, payload)
                self.garbage += 1
                yield Message(moment.at, index, piece.topic, piece.payload, GARBAGE)

    def _direct(self, index: int, moment: Moment) -> Message:
        meter, values = self.world.devices[index], payloads.household_values(self.world, moment, index)
        payload = senml.pack(meter.meter_id, moment.at, self.slot // SLOTS, values)
        content = "application/senml+cbor"
        return Message(moment.at, index, direct_topic(meter), payload, READING, "coap", content, meter.meter_id)

    def _payload(self, index: int, moment: Moment, seq: int) -> bytes:
        world, profile = self.world, self.world.devices[index].profile
        if self.faulty is not None and self.faulty.home == index:
            moment = self.faulty.show(world, moment)
        if profile == HOME:
            return payloads.household_of(world, moment, index, seq)
        if profile == HEAT:
            return payloads.heat_of(moment, index - len(world.households) - len(world.stations), seq)
        return payloads.station_of(moment, index - len(world.households), seq)
